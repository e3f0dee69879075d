import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openTable } from '../../lakehouse/table.ts';
import { type VerifyReport, verifyLake } from '../../observability/verify.ts';
import { claimStart } from '../../scoring/starts.ts';
import { commitTo, createTableLike, openTempLake, stageRows, type TempLake } from '../support/tempLake.ts';
import { fakeLog, type Incarnation, type LandedRange, land, TABLE, TOPIC } from './verifyLakes.ts';

/** Records of two partitions, scored from offset 10 of partition 0 and 5 of partition 1 on. */
const RECORDS: readonly LandedRange[] = [
  { partition: 0, from: 0, to: 60, bad: [12], gaps: [40, 41] },
  { partition: 1, from: 5, to: 9 },
];
const DECISIONS = 'bronze.decisions';

let lake: TempLake;
let next: number[];
beforeEach(async () => {
  lake = await openTempLake();
  next = [0, 0];
  await land(lake, RECORDS);
  await claimStart(lake, { topic: TOPIC, topicId: 'id-1', partition: 0 }, 10);
  await claimStart(lake, { topic: TOPIC, topicId: 'id-1', partition: 1 }, 5);
});
afterEach(() => lake[Symbol.asyncDispose]());

const idsOf = (partition: number, offsets: readonly number[], topicId = 'id-1') =>
  offsets.map((offset) => `${TOPIC}:${topicId}:${partition}:${offset}`);

function from(first: number, to: number, gaps: readonly number[] = []): number[] {
  return Array.from({ length: to - first }, (_, i) => first + i).filter((offset) => !gaps.includes(offset));
}

/** Lands decisions with these ids in a partition of their topic, as landing does; `position` overrides what it notes. */
async function decide(
  partition: number,
  ids: readonly string[],
  options: { position?: number; incarnation?: Incarnation; arrivedAt?: string } = {},
): Promise<void> {
  const { topic, topicId } = options.incarnation ?? { topic: 'decisions', topicId: 'd-1' };
  const first = options.incarnation === undefined ? (next[partition] ?? 0) : 0;
  const rows = ids.map((id, i) => `(${first + i}::bigint, '${id}')`);
  const select = `select '${topic}' as _topic, '${topicId}' as _topic_id, ${partition} as _partition, o as _offset,
    timestamptz '${options.arrivedAt ?? '2026-01-01T00:00:00Z'}' as _arrived_at,
    null::struct(code varchar, stage varchar, detail varchar) as _error, id as decision_id,
    date '2026-01-01' as arrival_date from (values ${rows.join(', ')}) t(o, id)`;
  const table = await createTableLike(lake, { name: DECISIONS, select, partitionColumns: ['arrival_date'] });
  const base = await table.snapshot();
  const to = first + ids.length;
  const range = { topic, topicId, partition, from: first, to, fetched: ids.length, good: ids.length, bad: 0 };
  const positions = new Map<string, number>();
  for (const id of ids) {
    const [, idTopic = '', idTopicId = '', at = '', offset = ''] =
      /^([^:]+):([^:]+):(\d+):(\d+)$/.exec(id) ?? [];
    const appId = `score:${idTopic}@${idTopicId}:${at}`;
    if (idTopic === '') continue;
    const highest = Math.max(positions.get(appId) ?? base.txns.get(appId) ?? 0, Number(offset) + 1);
    positions.set(appId, options.position ?? highest);
  }
  await commitTo(table, {
    base,
    adds: await stageRows(lake, table, { select, partitionValues: { arrival_date: '2026-01-01' } }),
    info: { landing: [range] },
    txns: [
      {
        appId: `land:${table.id}:main:${topic}@${topicId}:${partition}`,
        expected: base.txns.get(`land:${table.id}:main:${topic}@${topicId}:${partition}`),
        version: to,
      },
      ...[...positions].map(([appId, version]) => ({ appId, expected: base.txns.get(appId), version })),
    ],
  });
  if (options.incarnation === undefined) next[partition] = to;
}

async function verify(isFull = false, records = RECORDS): Promise<VerifyReport> {
  await lake.clock.sleep(1_000);
  return await verifyLake(
    { lake, source: fakeLog(records) },
    { topics: [{ topic: TOPIC, table: TABLE }], keyedTables: [], decisions: DECISIONS, isFull },
  );
}

const GAPS = [40, 41];
const found = (report: VerifyReport) => report.violations.map(({ code, where, what }) => [code, where, what]);

describe('decisions that are right', () => {
  it('are those from the start on, whatever is repeated', async () => {
    await decide(0, idsOf(0, from(10, 30)));
    await decide(0, [...idsOf(0, from(25, 50, GAPS)), ...idsOf(0, from(12, 20))]); // restarted, and a zombie
    await decide(1, idsOf(1, from(5, 9)));
    const report = await verify();
    expect(found(report)).toEqual([]);
    expect(report.decisions?.partitions).toEqual([
      { topic: TOPIC, topicId: 'id-1', partition: 0, start: 10, position: 50, from: 10, to: 50, lag: 10 },
      { topic: TOPIC, topicId: 'id-1', partition: 1, start: 5, position: 9, from: 5, to: 9, lag: 0 },
    ]);
  });

  it('may be repeated after they were verified', async () => {
    await decide(0, idsOf(0, from(10, 30)));
    expect(found(await verify())).toEqual([]);
    await decide(0, idsOf(0, from(12, 20)));
    const report = await verify();
    expect(found(report)).toEqual([]);
    expect(report.decisions?.partitions[0]).toMatchObject({ position: 30, from: 30, to: 30 });
  });

  it('may be ahead of what has landed; that is compared later, and nothing twice', async () => {
    const all = [...RECORDS, { partition: 0, from: 60, to: 80 }];
    await decide(0, idsOf(0, from(10, 65, GAPS)));
    await decide(0, idsOf(0, from(50, 70)));
    const ahead = await verify();
    expect(found(ahead)).toEqual([]);
    expect(ahead.decisions?.partitions[0]).toMatchObject({ position: 70, from: 10, to: 60, lag: 0 });
    await land(lake, [{ partition: 0, from: 60, to: 80 }]);
    const later = await verify(false, all);
    expect(found(later)).toEqual([]);
    expect(later.decisions?.partitions[0]).toMatchObject({ position: 70, from: 60, to: 70, lag: 10 });
    expect((await verify(false, all)).decisions?.partitions[0]).toMatchObject({ from: 70, to: 70 });
    const whole = await verify(true, all);
    expect(found(whole)).toEqual([]);
    expect(whole.decisions?.partitions[0]).toMatchObject({ from: 10, to: 70 });
  });

  it('of another incarnation of the topic of decisions go on where the first ended', async () => {
    await decide(0, idsOf(0, from(10, 30)));
    const incarnation = { topic: 'decisions', topicId: 'a-2' };
    await decide(0, idsOf(0, from(28, 50, GAPS)), { incarnation, arrivedAt: '2026-01-02T00:00:00Z' });
    expect(found(await verify())).toEqual([]);
  });

  it('are of each incarnation of the source apart; one without a start is not scored', async () => {
    await land(lake, [{ partition: 0, from: 0, to: 6 }], { topic: TOPIC, topicId: 'id-2' });
    await land(lake, [{ partition: 0, from: 0, to: 6 }], { topic: TOPIC, topicId: 'id-3' });
    await claimStart(lake, { topic: TOPIC, topicId: 'id-2', partition: 0 }, 0);
    await decide(0, [...idsOf(0, from(10, 12)), ...idsOf(0, from(0, 4), 'id-2')]);
    const report = await verify();
    expect(found(report)).toEqual([]);
    expect(report.decisions?.unscored).toEqual([{ topic: TOPIC, topicId: 'id-3' }]);
  });

  it('are none before the first, and a lake without their table is clean', async () => {
    expect((await verify()).isClean).toBe(true);
    await decide(0, idsOf(0, [10]));
    expect((await verify()).decisions?.partitions[1]).toMatchObject({ position: 5, lag: 4 });
  });
});

describe.each([
  ['from the beginning', false],
  ['after a clean verify', true],
])('what is wrong is found %s:', (_, isVerifiedBefore) => {
  const name = `${TOPIC}@id-1:0`;
  const expectFound = async (damage: () => Promise<void>, expected: readonly (readonly string[])[]) => {
    await decide(0, idsOf(0, from(10, 20)));
    if (isVerifiedBefore) expect(found(await verify())).toEqual([]);
    await damage();
    expect(found(await verify())).toEqual(expected);
    // It is not forgotten.
    expect(found(await verify())).toEqual(expected);
  };

  it('a record without a decision', async () => {
    await expectFound(
      () => decide(0, idsOf(0, from(20, 50, [...GAPS, 33, 34]))),
      [['DECISIONS_MISSING', name, '2 offsets: 33, 34']],
    );
  });

  it('a decision that comes after a later one: nobody who reads by the rule has it', async () => {
    await expectFound(
      () => decide(0, idsOf(0, [...from(20, 30, [25]), 25])),
      [['DECISIONS_MISSING', name, '1 offsets: 25']],
    );
  });

  it('a decision about an offset without a record', async () => {
    await expectFound(
      () => decide(0, idsOf(0, from(20, 50, [41]))),
      [['DECISIONS_UNKNOWN', name, '1 offsets: 40']],
    );
  });

  it('decisions about a partition or a topic that was not to be decided', async () => {
    await expectFound(
      () => decide(0, [...idsOf(0, from(0, 3), 'id-9'), 'other:id-1:0:7']),
      [
        ['DECISIONS_POSITION', `${TOPIC}@id-9:0`, 'a position is noted, 3, but no start'],
        ['DECISIONS_POSITION', 'other@id-1:0', 'a position is noted, 8, but no start'],
        ['DECISIONS_UNKNOWN', `${TOPIC}@id-9:0`, 'offsets 0 to 2: nothing was to be decided'],
        ['DECISIONS_UNKNOWN', 'other@id-1:0', 'offsets 7 to 7: nothing was to be decided'],
      ].toSorted(),
    );
  });

  it('a decision in another partition than its record, or about no place', async () => {
    await expectFound(
      () => decide(0, [...idsOf(1, [5]), 'somewhere']),
      [
        ['DECISIONS_MISPLACED', `${DECISIONS} partition 0`, 'offset 10 is about events:id-1:1:5'],
        ['DECISIONS_MISPLACED', `${DECISIONS} partition 0`, 'offset 11 is about somewhere::?:?'],
        ['DECISIONS_POSITION', `${TOPIC}@id-1:1`, 'decided up to 5, the position noted is 6'],
      ],
    );
  });

  it('a position that is not that of the decisions', async () => {
    await expectFound(
      () => decide(0, idsOf(0, from(20, 30)), { position: 45 }),
      [['DECISIONS_POSITION', name, 'decided up to 30, the position noted is 45']],
    );
  });
});

it('finds a decision below the start', async () => {
  await decide(0, idsOf(0, from(8, 20)));
  expect(found(await verify())).toEqual([
    ['DECISIONS_UNKNOWN', `${TOPIC}@id-1:0`, 'offsets 8 to 9: what is below 10 was not to be decided'],
  ]);
});

it('does not say that decisions are right when a data file is gone', async () => {
  await decide(0, idsOf(0, from(10, 20)));
  const table = await openTable(lake, DECISIONS);
  const [file] = (await table!.snapshot()).files.values();
  await lake.store.remove(`bronze/decisions/${file!.path}`);
  const report = await verify();
  expect(found(report).map(([code]) => code)).toEqual(['FILES_MISSING']);
  expect(report.decisions).toBeUndefined();
});
