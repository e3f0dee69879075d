import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { fault } from '../core/errorCatalog.ts';
import { tidy } from '../core/text.ts';

const MAIN = join(import.meta.dirname, '..', 'cli', 'main.ts');

/**
 * Runs `tidemark <args>` in a process of its own, so that heavy work has its own heap and can be
 * stopped whole; returns what it wrote to stdout. @throws STACK_STEP_FAILED with the end of its output
 */
export async function runCli(args: readonly string[], signal: AbortSignal): Promise<string> {
  const node = ['--disable-warning=TimeoutNegativeWarning', MAIN, ...args];
  const child = spawn(process.execPath, node, { stdio: ['ignore', 'pipe', 'pipe'], signal });
  const outputs = [child.stdout, child.stderr].map(async (stream) => {
    let text = '';
    for await (const chunk of stream.setEncoding('utf8')) text += chunk;
    return text;
  });
  const outcome = new Promise<string>((resolve) => {
    child.once('close', (code, killedBy) => resolve(killedBy ?? `exit code ${code}`));
    child.once('error', (error) => resolve(error.message));
  });
  const [stdout = '', stderr = ''] = await Promise.all(outputs);
  const how = await outcome;
  if (how === 'exit code 0') return stdout;
  const command = `tidemark ${args.join(' ')}`;
  throw fault('STACK_STEP_FAILED', { command, outcome: how, tail: tidy(stderr, 600) });
}
