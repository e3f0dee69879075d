import { expect, test } from 'vitest';
import { startChild } from '../support/childProcess.ts';

test.each([
  ['returns', 0],
  ['gives-up', 0],
  ['fails', 1],
])('a process that %s after SIGTERM exits with %i', async (end, code) => {
  const child = startChild('stopping', { TIDEMARK_TEST_END: end });
  try {
    await expect.poll(() => child.output(), { timeout: 20_000 }).toContain('working');
  } finally {
    child.kill('SIGTERM');
  }
  const ending = await child.ended;
  expect(ending.code, ending.stderr).toBe(code);
});
