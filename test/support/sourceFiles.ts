import { globSync } from 'node:fs';
import { join, resolve } from 'node:path';

export const projectRoot = resolve(import.meta.dirname, '..', '..');

const ROOMS = '{infra,lakehouse,ingestion,transforms,scoring,observability}/**/*.ts';

/** What a user edits: everything else is engine. */
const CONTENT = [
  'ingestion/contracts/',
  'ingestion/simulator/',
  'infra/content.ts',
  'transforms/models/',
  'transforms/features/',
  'scoring/policy/',
];

/** Absolute paths of all product sources that are engine, not content. */
export function engineFiles(): string[] {
  return globSync(ROOMS, { cwd: projectRoot })
    .filter((path) => !CONTENT.some((prefix) => path.startsWith(prefix)))
    .map((path) => join(projectRoot, path));
}
