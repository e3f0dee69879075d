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

test('a start is no reason to train; an hour later what is due is trained, and a day after that', async () => {
  const { trained, lookAt } = taskWith([]);
  for (const hour of [0, 0.9, 1, 1.1, 24, 25, 26]) await lookAt(hour);
  expect(trained).toEqual([1, 25]);
});

test('a process that starts again every few hours trains all the same', async () => {
  const { trained, lookAt } = taskWith(['20260108T000000Z-aaaaaaaaaaaa']);
  for (const hour of [0, 1]) await lookAt(hour);
  expect(trained, 'the newest model is two days old').toEqual([1]);
});

test('a model that somebody trained meanwhile puts it off', async () => {
  const { trained, lookAt } = taskWith(['20260108T000000Z-aaaaaaaaaaaa', '20260110T060000Z-bbbbbbbbbbbb']);
  for (const hour of [24, 29, 30, 31]) await lookAt(hour);
  expect(trained).toEqual([30]);
});

test('a training that fails is logged, and waits for its next time like any other', async () => {
  const { trained, lookAt } = taskWith([], true);
  for (const hour of [1, 2, 24, 25]) await lookAt(hour);
  expect(trained).toEqual([1, 25]);
});
