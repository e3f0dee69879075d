import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { TopicState } from '../../infra/core/kafka.ts';
import { publishRelease } from '../../lakehouse/release.ts';
import { openTable } from '../../lakehouse/table.ts';
import { landingStatus, newestArrival, waitingOffsets } from '../../observability/landingStatus.ts';
import { gatherStatus, problemsOf, type StatusDeps } from '../../observability/status.ts';
import { openTempLake, type TempLake } from '../support/tempLake.ts';
import { land, TABLE, TOPIC } from './verifyLakes.ts';

let lake: TempLake;
beforeEach(async () => {
  lake = await openTempLake();
});
afterEach(() => lake[Symbol.asyncDispose]());

const stateOf = (logEnd: number, more: Partial<TopicState & { logStart: number }> = {}): TopicState => ({
  topic: TOPIC,
  topicId: more.topicId ?? 'id-1',
  partitions: [{ partition: 0, logStart: more.logStart ?? 0, logEnd }],
});

function deps(more: Partial<StatusDeps> = {}): StatusDeps {
  return {
    lake,
    cluster: 'main',
    topics: [{ topic: TOPIC, table: TABLE }],
    stack: { status: 'up', processes: [] },
    probes: { kafka: async () => undefined, postgres: async () => undefined },
    topicStates: async () => [stateOf(40)],
    arrivalMs: async () => undefined,
    ...more,
  };
}

describe('all is well', () => {
  it('when everything answers and nothing waits', async () => {
    await land(lake, [{ partition: 0, from: 0, to: 40 }]);
    await publishRelease(lake, release());
    const report = await gatherStatus(deps());
    expect(report.problems).toEqual([]);
    expect(report).toMatchObject({
      ok: true,
      landing: [{ topic: TOPIC, lag_records: 0, lag_seconds: 0, problem: null }],
      tables: [{ name: TABLE, version: 1, rows: 40 }],
      release: { number: 1 },
    });
  });

  it('when records wait for less than two minutes', async () => {
    await land(lake, [{ partition: 0, from: 0, to: 40 }]);
    const arrivalMs = async () => lake.clock.nowMs() - 100_000;
    const report = await gatherStatus(deps({ topicStates: async () => [stateOf(55)], arrivalMs }));
    expect(report.landing).toMatchObject([{ lag_records: 15, lag_seconds: 100 }]);
    expect(report.ok).toBe(true);
  });
});

describe('something needs attention', () => {
  it('a service that does not answer, with the time since when', async () => {
    const processes = [
      { name: 'kafka', status: 'backoff', since: '2026-01-01T00:00:00.000Z', problem: 'exited with 137' },
      { name: 'ingest', status: 'running', since: '2026-01-01T00:00:00.000Z', problem: null },
    ];
    const report = await gatherStatus(
      deps({
        stack: { status: 'degraded', processes },
        probes: { kafka: async () => 'no broker answers', postgres: async () => undefined },
        topicStates: async () => {
          throw new Error('must not be asked');
        },
      }),
    );
    expect(report.ok).toBe(false);
    expect(report.problems).toEqual([
      'kafka: exited with 137; its process is backoff (since 2026-01-01T00:00:00.000Z)',
    ]);
    expect(report.landing).toMatchObject([{ lag_records: null, lag_seconds: null }]);
  });

  it('an own process that does not run', async () => {
    const processes = [{ name: 'jobs', status: 'dead', since: '2026-01-01T00:00:00.000Z', problem: null }];
    const report = await gatherStatus(deps({ stack: { status: 'degraded', processes } }));
    expect(report.problems).toEqual(['jobs: dead (since 2026-01-01T00:00:00.000Z)']);
  });

  it('no supervisor', async () => {
    const report = await gatherStatus(deps({ stack: { status: 'down', processes: [] } }));
    expect(report.problems).toEqual(["supervisor: not running; start the stack with 'make up'"]);
  });

  it('a lake that does not answer, and the rest is shown all the same', async () => {
    const store = {
      ...lake.store,
      list: () => {
        throw new Error('the store is away');
      },
    };
    const report = await gatherStatus(deps({ lake: { ...lake, store } }));
    expect(report.problems).toEqual(['lake: the store is away']);
    expect(report.landing).toMatchObject([{ lag_records: 40 }]);
  });

  it('records that wait for long', async () => {
    await land(lake, [{ partition: 0, from: 0, to: 40 }]);
    const arrivalMs = async () => lake.clock.nowMs() - 600_000;
    const report = await gatherStatus(deps({ topicStates: async () => [stateOf(55)], arrivalMs }));
    expect(report.problems).toEqual([`${TOPIC}: 15 records wait, the oldest for 600 s`]);
  });

  it('models that are held back, a failed run, violations', () => {
    const problems = problemsOf({
      services: [],
      landing: [],
      tables: [],
      release: {
        number: 2,
        created_at: '',
        tables: 1,
        stale_since: { 'gold.x': '2026-01-01T00:00:00.000Z' },
        pins: {},
      },
      runs: [
        {
          run: 'r',
          release: null,
          outcome: 'held',
          finished_at: '',
          models: 1,
          rows_written: 0,
          held: 1,
          error: 'audit unique(k) failed',
        },
      ],
      verify: { verified_at: '2026-01-01T00:00:00.000Z', violations: 3 },
    });
    expect(problems).toEqual([
      'gold.x: newest data held back since 2026-01-01T00:00:00.000Z; see ops.runs',
      'last run held: audit unique(k) failed',
      'verify found 3 violations at 2026-01-01T00:00:00.000Z; run ./tidemark verify',
    ]);
  });
});

describe('landing of a topic', () => {
  const view = async (state: TopicState | undefined, isKafkaThere = true) => {
    const table = await openTable(lake, TABLE);
    const landed = table === undefined ? undefined : { tableId: table.id, snapshot: await table.snapshot() };
    return { topic: TOPIC, table: TABLE, cluster: 'main', landed, state, isKafkaThere };
  };
  const now = { nowMs: 0, oldestMs: undefined };

  it('waits at the progress, or at the start of the log before the first record', async () => {
    expect(waitingOffsets(await view(stateOf(9, { logStart: 4 })))).toEqual([{ partition: 0, offset: 4 }]);
    await land(lake, [{ partition: 0, from: 4, to: 7 }]);
    expect(waitingOffsets(await view(stateOf(9, { logStart: 4 })))).toEqual([{ partition: 0, offset: 7 }]);
    expect(waitingOffsets(await view(stateOf(7, { logStart: 4 })))).toEqual([]);
  });

  it.each([
    ['the topic was made again', stateOf(9, { topicId: 'id-2' }), /made again.*topics adopt events/],
    ['the log was truncated', stateOf(5), /partition 0 landed beyond the end/],
    ['retention overtook landing', stateOf(99, { logStart: 50 }), /retention overtook partition 0/],
    ['the topic is gone', undefined, /no such topic/],
  ])('says that %s', async (_, state, expected) => {
    await land(lake, [{ partition: 0, from: 0, to: 40 }]);
    expect(landingStatus(await view(state), now).problem).toMatch(expected);
  });

  it('has no problem when Kafka is away: that is told once, not for each topic', async () => {
    await land(lake, [{ partition: 0, from: 0, to: 40 }]);
    expect(landingStatus(await view(undefined, false), now)).toMatchObject({
      problem: null,
      lag_records: null,
    });
  });

  it('knows the newest arrival from statistics', () => {
    const file = (arrival: string | undefined, modificationTime: number) => ({
      path: 'x',
      partitionValues: {},
      size: 1,
      modificationTime,
      dataChange: true,
      ...(arrival === undefined ? {} : { stats: JSON.stringify({ maxValues: { _arrived_at: arrival } }) }),
    });
    const files = [file('2026-01-01T00:00:00.5Z', 1), file('2026-01-02T00:00:00Z', 2), file(undefined, 3)];
    expect(newestArrival(files)).toBe('2026-01-02T00:00:00.000Z');
    expect(newestArrival([])).toBeUndefined();
  });
});

function release() {
  const tables = { [TABLE]: 1 };
  return { number: 1, run: 'r', createdMs: lake.clock.nowMs(), tables, views: {}, pins: {}, staleSince: {} };
}
