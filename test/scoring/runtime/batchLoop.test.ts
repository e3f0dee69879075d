import { expect, test } from 'vitest';
import { noCrash } from '../../../infra/core/crashPoint.ts';
import { createCounters } from '../../../scoring/counters.ts';
import { BatchLoop } from '../../../scoring/runtime/batchLoop.ts';
import { IdentityGuard } from '../../../scoring/runtime/identityGuard.ts';
import { OwnedPartition } from '../../../scoring/runtime/ownedPartition.ts';
import { ScoreQueue } from '../../../scoring/runtime/scoreQueue.ts';
import { Totals } from '../../../scoring/runtime/totals.ts';
import { contractOf, fintech, NOW_MS, openDecider, PLACE, transfer } from '../deciding.ts';
import { turningClock } from './intakeWorld.ts';

test('a clock that is set back does not hold a batch until it has come round again', async () => {
  const clock = turningClock();
  const counters = createCounters();
  const queue = new ScoreQueue();
  const ended = new AbortController();
  const sent: number[] = [];
  const place = { ...PLACE, topic: contractOf(fintech).topic };
  const bronze = { from: 0, to: 0 };
  const plan = { place, position: 0, foldBelow: 0, bronze, consumeFrom: 0 };
  const owner = new OwnedPartition(plan, { set: fintech, contract: contractOf(fintech) });
  const loop = new BatchLoop({
    ...{ queue, clock, crashPoint: noCrash, topic: 'decisions', totals: new Totals(counters) },
    guard: new IdentityGuard({ read: async () => new Map(), [Symbol.asyncDispose]: async () => {} }, []),
    decider: openDecider().decider,
    producer: {
      send: async (_, records) => {
        sent.push(records.length);
        ended.abort();
        return [];
      },
      [Symbol.asyncDispose]: async () => {},
    },
    limits: { maxBatch: 256, maxWaitMs: 5 },
  });
  queue.push({
    ...{ lane: owner.lane, owner, offset: 0, record: transfer(), receivedAtMs: NOW_MS },
    ...{ arrivedAtMs: NOW_MS, bytes: 500, fetch: 0 },
  });
  clock.atMs = NOW_MS - 3_600_000;
  const running = loop.run(ended.signal);
  // Ten seconds of its clock are enough for a wait of five milliseconds.
  await expect.poll(() => sent.length > 0 || clock.atMs > NOW_MS - 3_590_000, { interval: 1 }).toBe(true);
  const sentInTime = [...sent];
  ended.abort();
  await running;
  expect(sentInTime).toEqual([1]);
});
