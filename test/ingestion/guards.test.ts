import { describe, expect, test } from 'vitest';
import { partitionOf, type TopicState } from '../../infra/core/kafka.ts';
import { shouldFlush } from '../../ingestion/flushPolicy.ts';
import { landedProgress, landingAppId } from '../../ingestion/progress.ts';
import { planAdoption } from '../../ingestion/topicAdoption.ts';
import { findIncarnationFault, findTopicFault } from '../../ingestion/topicGuard.ts';

const state: TopicState = {
  topic: 'parcels',
  topicId: 'id-2',
  partitions: [
    { partition: 0, logStart: 10, logEnd: 50 },
    { partition: 1, logStart: 0, logEnd: 0 },
  ],
};

describe('when a batch is flushed', () => {
  const limits = { maxBytes: 100, maxRows: 10, intervalMs: 5_000 };
  const batch = { bytes: 99, rows: 9, startedMs: 1_000 };

  test.each([
    ['not while it is small and young', {}, 5_999, false],
    ['at its bytes', { bytes: 100 }, 1_000, true],
    ['at its rows', { rows: 10 }, 1_000, true],
    ['at its age', {}, 6_000, true],
  ])('%s', (_name, change, nowMs, expected) => {
    expect(shouldFlush({ ...batch, ...change }, limits, nowMs)).toBe(expected);
  });
});

describe('whether a topic is still the one that landing knows', () => {
  const expected = { topic: 'parcels', topicId: 'id-2', partitions: 2, positions: new Map([[0, 10]]) };

  test.each([
    ['at the start of the log', {}, state, undefined],
    ['at its end', { positions: new Map([[0, 50]]) }, state, undefined],
    ['deleted', {}, undefined, 'LANDING_TOPIC_GONE'],
    ['made again', { topicId: 'id-1' }, state, 'LANDING_TOPIC_RECREATED'],
    ['with more partitions', { partitions: 1 }, state, 'LANDING_PARTITIONS_CHANGED'],
    ['behind the start of the log', { positions: new Map([[0, 9]]) }, state, 'LANDING_RETENTION_OVERTOOK'],
    ['beyond the end of the log', { positions: new Map([[1, 1]]) }, state, 'LANDING_LOG_TRUNCATED'],
  ])('%s', (_name, change, now, code) => {
    expect(findTopicFault({ ...expected, ...change }, now)?.code).toBe(code);
  });

  test('every way out names the command, or what to do before it', () => {
    const problems = [
      findTopicFault({ ...expected, topicId: 'id-1' }, state),
      findTopicFault({ ...expected, positions: new Map([[0, 9]]) }, state),
      findTopicFault({ ...expected, positions: new Map([[1, 1]]) }, state),
    ];
    for (const problem of problems) expect(problem?.remedy).toContain('./tidemark topics adopt parcels');
  });
});

describe('which incarnation may land', () => {
  const landed = (...ids: string[]) => new Map(ids.map((id) => [id, new Map([[0, 5]])]));

  test.each([
    ['the first of all', landed(), undefined],
    ['the first behind history from files', landed('file:abc'), undefined],
    ['one that has landed before', landed('id-1', 'id-2'), undefined],
    ['not another one under the same name', landed('id-1', 'file:abc'), 'LANDING_TOPIC_RECREATED'],
  ])('%s', (_name, incarnations, code) => {
    expect(findIncarnationFault(state, incarnations)?.code).toBe(code);
  });
});

describe('what there is to adopt', () => {
  test('nothing where landing goes on by itself', () => {
    expect(planAdoption(state, new Map())).toEqual({ kind: 'nothing' });
    expect(planAdoption(state, new Map([['id-2', new Map([[0, 10]])]]))).toEqual({ kind: 'nothing' });
  });

  test('a topic that was made again starts at its start', () => {
    expect(planAdoption(state, new Map([['id-1', new Map([[0, 99]])]]))).toEqual({
      kind: 'recreated',
      moves: [
        { partition: 0, expected: undefined, to: 10 },
        { partition: 1, expected: undefined, to: 0 },
      ],
    });
  });

  test('where retention overtook, only that partition moves', () => {
    const landed = new Map([
      [
        'id-2',
        new Map([
          [0, 4],
          [1, 0],
        ]),
      ],
    ]);
    expect(planAdoption(state, landed)).toEqual({
      kind: 'overtaken',
      moves: [{ partition: 0, expected: 4, to: 10 }],
    });
  });

  test('offsets that are used up cannot be adopted', () => {
    const landed = new Map([['id-2', new Map([[1, 7]])]]);
    expect(() => planAdoption(state, landed)).toThrow('its log was cut off');
  });
});

test('progress is found by topic, whatever else the table holds', () => {
  const place = { tableId: 't', cluster: 'main', topic: 'parcels' };
  const txns = new Map([
    [landingAppId(place, 'id-1', 11), 7],
    [landingAppId(place, 'file:ab', 0), 3],
    [landingAppId({ ...place, topic: 'parcels.dlq' }, 'id-9', 0), 1],
    [landingAppId({ ...place, cluster: 'other' }, 'id-9', 0), 1],
    ['model:x@y:t', 12],
  ]);
  const progress = landedProgress({ txns }, place);
  expect([...progress].map(([id, next]) => [id, [...next]])).toEqual([
    ['id-1', [[11, 7]]],
    ['file:ab', [[0, 3]]],
  ]);
});

test('keys go to the partitions that the Java client gives them', () => {
  // murmur2 values of Kafka's own UtilsTest.
  const hashes = {
    '21': -973932308,
    foobar: -790332482,
    'a-little-bit-long-string': -985981536,
    'a-little-bit-longer-string': -1486304829,
    lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8: -58897971,
  };
  for (const [key, hash] of Object.entries(hashes))
    expect(partitionOf(key, 1_000_003)).toBe((hash & 0x7fffffff) % 1_000_003);
  expect(partitionOf(Buffer.from('abc'), 12)).toBe((479470107 & 0x7fffffff) % 12);
});
