import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fault } from '../core/errorCatalog.ts';

/** The path of a command as a shell would find it; undefined when there is none. */
export function findExecutable(name: string): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

/** As `findExecutable`. @throws STACK_TOOL_MISSING with the command that brings it */
export function requireExecutable(name: string, command: string): string {
  const path = findExecutable(name);
  if (path === undefined) throw fault('STACK_TOOL_MISSING', { tool: name, command });
  return path;
}

// === Helpers ===

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error) return false;
    throw error;
  }
}
