import { expect, test } from 'vitest';
import { trainingTask } from '../../../infra/trainingTask.ts';
import { silentLog, testClock } from '../../support/tempLake.ts';

const HOUR_MS = 3_600_000;
const START_MS = Date.UTC(2026, 0, 10);

function taskWith(versions: readonly string[], fails = false) {
  const clock = testClock(START_MS);
  const trained: number[] = [];
  const train = async () => {
    trained.push((clock.nowMs() - START_MS) / HOUR_MS);
    if (fails) throw new Error('no data');
  };
  const deps = { registry: { versions: async () => versions }, clock, log: silentLog, train };
  const task = trainingTask(deps, { trainingMs: 24 * HOUR_MS });
  const signal = new AbortController().signal;
  const lookAt = async (hour: number) => {
    clock.nowMsValue = START_MS + hour * HOUR_MS;
    await task.run(signal);
  };
  return { trained, lookAt };
}

test('it trains a day after the start, and a day after that', async () => {
  const { trained, lookAt } = taskWith([]);
  for (const hour of [0, 1, 23.9, 24, 24.1, 40, 48, 49]) await lookAt(hour);
  expect(trained).toEqual([24, 48]);
});

test('a model that somebody trained meanwhile puts it off', async () => {
  const { trained, lookAt } = taskWith(['20260108T000000Z-aaaaaaaaaaaa', '20260110T060000Z-bbbbbbbbbbbb']);
  for (const hour of [24, 29, 30, 31]) await lookAt(hour);
  expect(trained).toEqual([30]);
});

test('a training that fails is logged, and waits for its next time like any other', async () => {
  const { trained, lookAt } = taskWith([], true);
  for (const hour of [24, 25, 47, 48]) await lookAt(hour);
  expect(trained).toEqual([24, 48]);
});
