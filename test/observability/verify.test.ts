import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { publishRelease, type Release } from '../../lakehouse/release.ts';
import { openTable } from '../../lakehouse/table.ts';
import type { OffsetSource } from '../../observability/kafkaEquality.ts';
import { type VerifyReport, verifyLake } from '../../observability/verify.ts';
import { commitTo, openTempLake, stageRows, type TempLake } from '../support/tempLake.ts';
import {
  appIdOf,
  buildModel,
  DATE,
  fakeLog,
  type LandedRange,
  land,
  rearrange,
  rowsSql,
  TABLE,
  TOPIC,
  tamper,
} from './verifyLakes.ts';

const FIRST: readonly LandedRange[] = [
  { partition: 0, from: 0, to: 40, bad: [3, 17] },
  { partition: 1, from: 5, to: 9 },
];
const SECOND: readonly LandedRange[] = [
  { partition: 0, from: 40, to: 70, gaps: [55, 56] },
  { partition: 1, from: 9, to: 12, bad: [10] },
];
const ALL = [...FIRST, ...SECOND];

let lake: TempLake;
beforeEach(async () => {
  lake = await openTempLake();
  await land(lake, FIRST);
  await land(lake, SECOND);
});
afterEach(() => lake[Symbol.asyncDispose]());

async function verify(source: OffsetSource = fakeLog(ALL), isFull = false): Promise<VerifyReport> {
  await lake.clock.sleep(1_000);
  const topics = [{ topic: TOPIC, table: TABLE }];
  return await verifyLake(
    { lake, source },
    { topics, keyedTables: [{ name: 'silver.m', keys: ['k'] }], isFull },
  );
}

const codes = (report: VerifyReport) => [...new Set(report.violations.map(({ code }) => code))].toSorted();

async function bronze() {
  const table = await openTable(lake, TABLE);
  if (table === undefined) throw new Error('no table');
  return { table, snapshot: await table.snapshot() };
}

describe('a clean lake', () => {
  it('is clean, and the report says what was compared', async () => {
    const report = await verify();
    expect(report.violations).toEqual([]);
    expect(report.isClean).toBe(true);
    expect(report.incarnations).toMatchObject([
      {
        table: TABLE,
        topic: TOPIC,
        topicId: 'id-1',
        partitions: [
          { partition: 0, first: 0, next: 70, fetched: 68, bad: 2 },
          { partition: 1, first: 5, next: 12, fetched: 7, bad: 1 },
        ],
        kafka: [
          { partition: 0, from: 0, to: 70, records: 68, lag: 0 },
          { partition: 1, from: 5, to: 12, records: 7, lag: 0 },
        ],
      },
    ]);
  });

  it('counts what Kafka has beyond the progress as lag, not as loss', async () => {
    const report = await verify(fakeLog([...ALL, { partition: 0, from: 70, to: 95 }]));
    expect(report.isClean).toBe(true);
    expect(report.incarnations[0]?.kafka?.map(({ lag }) => lag)).toEqual([25, 0]);
  });

  it('proves by the chain alone what Kafka no longer has', async () => {
    const log = fakeLog([
      { partition: 0, from: 60, to: 70 },
      { partition: 1, from: 12, to: 12 },
    ]);
    const report = await verify(log);
    expect(report.violations).toEqual([]);
    expect(log.reads).toEqual([{ topic: TOPIC, partition: 0, from: 60, to: 70 }]);
  });

  it('allows what retention deletes while it reads', async () => {
    const log = fakeLog(ALL);
    let asked = 0;
    const shrinking: OffsetSource = {
      states: async (topics) => {
        asked += 1;
        const states = await log.states(topics);
        if (asked === 1) return states;
        return states.map((s) => ({
          ...s,
          partitions: s.partitions.map((p) => ({ ...p, logStart: p.logEnd })),
        }));
      },
      read: async () => {}, // everything was gone before it could be read
    };
    expect((await verify(shrinking)).violations).toEqual([]);
  });

  it('stays clean when files are re-arranged', async () => {
    expect((await verify()).isClean).toBe(true);
    await rearrange(lake, ALL);
    expect((await verify()).violations).toEqual([]);
    expect((await verify(fakeLog(ALL), true)).violations).toEqual([]);
  });

  it('goes on behind what was adopted as lost, and says how much that is', async () => {
    const { table } = await bronze();
    const lost = {
      topic: TOPIC,
      topicId: 'id-1',
      partition: 0,
      from: 70,
      to: 90,
      fetched: 0,
      good: 0,
      bad: 0,
      lost: 20,
    };
    const appId = appIdOf(table.id, 0);
    await commitTo(table, { info: { landing: [lost] }, txns: [{ appId, expected: 70, version: 90 }] });
    await land(lake, [{ partition: 0, from: 90, to: 95 }]);
    const report = await verify(fakeLog([{ partition: 0, from: 90, to: 95 }]));
    expect(report.violations).toEqual([]);
    expect(report.incarnations[0]?.partitions[0]).toMatchObject({ next: 95, fetched: 73, lost: 20 });
  });

  it('keeps incarnations of a topic apart', async () => {
    await land(lake, [{ partition: 0, from: 0, to: 6 }], { topic: TOPIC, topicId: 'id-2' });
    const report = await verify(fakeLog([{ partition: 0, from: 0, to: 6 }], { topicId: 'id-2' }));
    expect(report.violations).toEqual([]);
    expect(report.incarnations.map(({ topicId, kafka }) => [topicId, kafka !== undefined])).toEqual([
      ['id-1', false],
      ['id-2', true],
    ]);
  });

  it('names a topic of which nothing has landed', async () => {
    const report = await verify(fakeLog([{ partition: 0, from: 0, to: 6 }], { topicId: 'id-9' }));
    expect(report.unlanded).toEqual([{ topic: TOPIC, topicId: 'id-9', records: 6 }]);
  });

  it('reads only what is new the next time, unless told to read all', async () => {
    await verify();
    const more = { partition: 0, from: 70, to: 75 };
    await land(lake, [more]);
    const log = fakeLog([...ALL, more]);
    expect((await verify(log)).isClean).toBe(true);
    expect(log.reads).toEqual([{ topic: TOPIC, partition: 0, from: 70, to: 75 }]);
    const again = fakeLog([...ALL, more]);
    await verify(again, true);
    expect(again.reads).toHaveLength(2);
  });

  it('keeps nothing as verified of a topic that the cluster does not have: it may be the wrong one', async () => {
    const elsewhere: OffsetSource = { states: async () => [], read: async () => {} };
    expect((await verify(elsewhere)).isClean).toBe(true);
    const lost = fakeLog([...ALL, { partition: 0, from: 55, to: 57 }]);
    expect(codes(await verify(lost))).toEqual(['KAFKA_MISSING']);
  });

  it('without Kafka checks the lake and keeps nothing as verified', async () => {
    expect((await verifyLake({ lake, source: undefined }, { topics: [], keyedTables: [] })).isClean).toBe(
      true,
    );
    expect(await openTable(lake, 'ops.verify')).toBeUndefined();
  });
});

describe.each([
  ['from the beginning', false],
  ['after a clean verify', true],
])('damage is found %s:', (_, isVerifiedBefore) => {
  const expectFound = async (
    damage: () => Promise<void>,
    expected: readonly string[],
    source = fakeLog(ALL),
  ) => {
    if (isVerifiedBefore) {
      expect((await verify()).isClean).toBe(true);
      await damage();
      const report = await verify(source);
      expect(report.isClean).toBe(false);
      expect(codes(report)).toEqual(expect.arrayContaining([...expected]));
      // It is not forgotten: the part that is not clean is read again.
      expect(codes(await verify(source))).toEqual(expect.arrayContaining([...expected]));
      return;
    }
    await damage();
    expect(codes(await verify(source))).toEqual(expect.arrayContaining([...expected]));
  };

  it('a data file is removed by a commit', async () => {
    await expectFound(async () => {
      const { table, snapshot } = await bronze();
      const [file] = snapshot.files.values();
      await commitTo(table, { operation: 'DELETE', removes: [file!], reads: 'table' });
    }, ['CHAIN_ROWS_REMOVED', 'FILES_COUNT']);
  });

  it('a file is added twice', async () => {
    await expectFound(async () => {
      const { table, snapshot } = await bronze();
      const [file] = snapshot.files.values();
      const copy = `${DATE}-copy.parquet`;
      const body = await lake.store.read(`bronze/events/${file!.path}`);
      await lake.store.put(`bronze/events/${copy}`, body!);
      await commitTo(table, { adds: [{ ...file!, path: copy }] });
    }, ['CHAIN_UNEXPLAINED_FILES', 'FILES_COUNT', isVerifiedBefore ? 'ROWS_REARRANGED' : 'ROWS_DUPLICATED']);
  });

  it('a bad row is removed', async () => {
    await expectFound(async () => {
      const { table, snapshot } = await bronze();
      const [file] = snapshot.files.values();
      const rest = FIRST.map((range) => ({ ...range, bad: [17], gaps: [3] }));
      const adds = await stageRows(lake, table, {
        select: rowsSql([rest[0]!, FIRST[1]!]),
        partitionValues: { arrival_date: DATE },
      });
      await commitTo(table, { adds, removes: [file!], reads: 'table' });
    }, ['CHAIN_ROWS_REMOVED', 'FILES_COUNT']);
  });

  it('a bad row is removed under the name of a compaction', async () => {
    await expectFound(async () => {
      await rearrange(lake, [{ partition: 0, from: 0, to: 40, bad: [17], gaps: [3] }, ...ALL.slice(1)]);
    }, ['CHAIN_REARRANGED', isVerifiedBefore ? 'ROWS_REARRANGED' : 'ROWS_BAD_COUNT']);
  });

  it('a row is swapped for a copy of another under the name of a compaction', async () => {
    await expectFound(async () => {
      const doubled = { partition: 0, from: 4, to: 5 };
      await rearrange(lake, [
        { partition: 0, from: 0, to: 40, bad: [3, 17], gaps: [9] },
        doubled,
        ...ALL.slice(1),
      ]);
    }, ['ROWS_DUPLICATED', ...(isVerifiedBefore ? ['ROWS_REARRANGED'] : ['KAFKA_MISSING'])]);
  });

  it('the progress is moved forward', async () => {
    await expectFound(
      async () => {
        const { table } = await bronze();
        await commitTo(table, { txns: [{ appId: appIdOf(table.id, 0), expected: 70, version: 80 }] });
      },
      ['CHAIN_TXN'],
      fakeLog([...ALL, { partition: 0, from: 70, to: 90 }]),
    );
  });

  it('a landing skips offsets', async () => {
    const later = { partition: 0, from: 75, to: 80 };
    await expectFound(
      async () => {
        await land(lake, [later]);
      },
      ['CHAIN_BROKEN', 'KAFKA_MISSING'],
      fakeLog([...ALL, { partition: 0, from: 70, to: 80 }]),
    );
  });

  it('a landing writes fewer rows than it says', async () => {
    const said = { partition: 0, from: 70, to: 80 };
    await expectFound(
      async () => {
        await land(lake, [{ ...said, gaps: [71] }]);
        const { snapshot } = await bronze();
        await tamper(lake, snapshot.version, (lines) =>
          lines.map((line) => {
            const landing = line['commitInfo']?.['landing'] as
              | { fetched: number; good: number }[]
              | undefined;
            if (landing === undefined) return line;
            const more = landing.map((l) => ({ ...l, fetched: 10, good: 10 }));
            return { commitInfo: { ...line['commitInfo'], landing: more } };
          }),
        );
      },
      ['CHAIN_COUNTS', 'FILES_COUNT', 'KAFKA_MISSING', 'ROWS_COUNT'],
      fakeLog([...ALL, said]),
    );
  });

  it('the table has an offset that Kafka does not give', async () => {
    const more = { partition: 0, from: 70, to: 80 };
    await expectFound(
      async () => {
        await land(lake, [more]);
      },
      ['KAFKA_UNKNOWN'],
      fakeLog([...ALL, { ...more, gaps: [77] }]),
    );
  });

  it('the log in Kafka ends before the progress', async () => {
    const more = { partition: 0, from: 70, to: 80 };
    await expectFound(
      async () => {
        await land(lake, [more]);
      },
      ['KAFKA_LOG_ENDS_EARLY'],
      fakeLog(ALL),
    );
  });

  it('a release is not closed', async () => {
    await expectFound(async () => {
      const version = await buildModel(lake, { consumed: 1, rows: "select 'a' as k" });
      await publish({ [TABLE]: 2, 'silver.m': version });
    }, ['RELEASE_NOT_CLOSED']);
  });
});

describe('damage in what was not verified yet', () => {
  it('a data file is dropped from the log', async () => {
    await tamper(lake, 1, (lines) => lines.filter((line) => !('add' in line)));
    expect(codes(await verify())).toEqual([
      'CHAIN_COUNTS',
      'FILES_COUNT',
      'KAFKA_MISSING',
      'ROWS_BAD_COUNT',
      'ROWS_COUNT',
    ]);
  });

  it('a live file is gone from the store', async () => {
    const { snapshot } = await bronze();
    const [file] = snapshot.files.values();
    await lake.store.remove(`bronze/events/${file!.path}`);
    expect(codes(await verify())).toEqual(['FILES_MISSING']);
  });
});

describe('releases', () => {
  const model = (consumed: number, at?: string) =>
    buildModel(lake, { consumed, rows: `select '${at ?? 'a'}' as k`, ...(at === undefined ? {} : { at }) });

  it('is closed when only a re-arrangement lies between', async () => {
    const version = await model(2);
    await rearrange(lake, ALL);
    await publish({ [TABLE]: 3, 'silver.m': version });
    expect((await verify()).violations).toEqual([]);
  });

  it('leaves pinned and stale models aside', async () => {
    const version = await model(1);
    await publish({ [TABLE]: 2, 'silver.m': version }, { pins: { 'silver.m': version } });
    await publish({ [TABLE]: 2, 'silver.m': version }, { number: 2, staleSince: { 'silver.m': 'now' } });
    expect((await verify()).violations).toEqual([]);
    await publish({ [TABLE]: 2, 'silver.m': version }, { number: 3 });
    expect(codes(await verify())).toEqual(['RELEASE_NOT_CLOSED']);
  });

  it('judges by the definition that wrote the table last', async () => {
    await model(1, 'old');
    await lake.clock.sleep(1_000);
    const version = await model(2, 'new');
    await publish({ [TABLE]: 2, 'silver.m': version });
    expect((await verify()).violations).toEqual([]);
  });

  it('finds a version or a release that is not there', async () => {
    await publish({ [TABLE]: 9 });
    expect(codes(await verify())).toEqual(['RELEASE_UNREADABLE']);
  });

  it('finds keys that are there twice', async () => {
    const version = await buildModel(lake, { consumed: 2, rows: "select 'a' as k union all select 'a'" });
    await publish({ [TABLE]: 2, 'silver.m': version });
    const report = await verify();
    expect(report.violations).toEqual([
      { code: 'KEYS_DUPLICATED', where: 'silver.m version 1', what: '{"k":"a"} is there 2 times' },
    ]);
  });
});

async function publish(tables: Record<string, number>, more: Partial<Release> = {}): Promise<void> {
  const base = {
    number: 1,
    run: `run-${more.number ?? 1}`,
    createdMs: 0,
    views: {},
    pins: {},
    staleSince: {},
  };
  await publishRelease(lake, { ...base, tables, ...more });
}
