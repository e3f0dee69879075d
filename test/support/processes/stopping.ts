import { writeSync } from 'node:fs';
import { runProcess } from '../../../infra/core/lifecycle.ts';

/** Works until the signal; `TIDEMARK_TEST_END` says how it then ends. */
await runProcess('stopping', async ({ signal }) => {
  await new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
    const alive = setInterval(() => {}, 1_000);
    signal.addEventListener('abort', () => clearInterval(alive), { once: true });
    writeSync(2, 'working\n');
  });
  if (process.env['TIDEMARK_TEST_END'] === 'gives-up') signal.throwIfAborted();
  if (process.env['TIDEMARK_TEST_END'] === 'fails') throw new Error('could not commit');
});
