import { expect, test } from 'vitest';
import { countFailure, RESTART_POLICY, restartDelayMs } from '../../infra/stack/restartPolicy.ts';

test('the pause doubles with each failure in a row and never exceeds its bound', () => {
  const delays = [1, 2, 3, 4, 50, 5_000].map((failures) => restartDelayMs(failures, RESTART_POLICY));
  expect(delays).toEqual([500, 1_000, 2_000, 4_000, 30_000, 30_000]);
});

test('a process that ran well for a minute starts again with the first pause', () => {
  expect(countFailure(7, 59_999, RESTART_POLICY)).toBe(8);
  expect(countFailure(7, 60_000, RESTART_POLICY)).toBe(1);
});
