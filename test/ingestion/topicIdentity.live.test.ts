import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fetchTopicStates } from '../../infra/core/kafka.ts';
import { openBronze } from '../../ingestion/bronzeTable.ts';
import type { Contract } from '../../ingestion/contract.ts';
import { landedProgress, landingAppId } from '../../ingestion/progress.ts';
import { adoptTopic } from '../../ingestion/topicAdoption.ts';
import { reportTopic } from '../../ingestion/topicReport.ts';
import { scan } from '../../lakehouse/scan.ts';
import { openTable } from '../../lakehouse/table.ts';
import { commitTo, type TempLake } from '../support/tempLake.ts';
import {
  brokers,
  count,
  createTopics,
  kafkaClient,
  liveLake,
  parcels,
  query,
  send,
  startLanding,
  uniqueContract,
} from './liveLanding.ts';

let lake: TempLake;
beforeAll(async () => {
  lake = await liveLake();
});
afterAll(() => lake[Symbol.asyncDispose]());

const PATIENCE = { timeout: 30_000, interval: 100 };

async function withAdmin(use: (admin: ReturnType<ReturnType<typeof kafkaClient>['admin']>) => Promise<void>) {
  const admin = kafkaClient().admin();
  await admin.connect();
  try {
    await use(admin);
  } finally {
    await admin.disconnect();
  }
}

async function recreate(contract: Contract): Promise<void> {
  await withAdmin(async (admin) => {
    await admin.deleteTopics({ topics: [contract.topic] });
    await expect.poll(async () => (await admin.listTopics()).includes(contract.topic), PATIENCE).toBe(false);
  });
  await createTopics(contract);
}

async function landAll(contract: Contract, rows: number): Promise<void> {
  const landing = startLanding(lake, contract);
  await Promise.race([landing.ended, expect.poll(() => count(lake, contract), PATIENCE).toBe(rows)]);
  await landing.stop();
}

async function adopt(contract: Contract) {
  const [state] = await fetchTopicStates(brokers(), [contract.topic]);
  if (state === undefined) throw new Error('no topic');
  return await adoptTopic(
    lake,
    { table: await openBronze(lake, contract), contract, cluster: 'test' },
    state,
  );
}

async function report(contract: Contract) {
  const [state] = await fetchTopicStates(brokers(), [contract.topic]);
  return await reportTopic(lake, contract, { cluster: 'test', state });
}

describe('a topic that was deleted and made again', () => {
  test('is refused at the start, and lands behind the old one once it is adopted', async () => {
    const contract = uniqueContract();
    await createTopics(contract);
    await send(contract.topic, parcels(0, 100));
    await landAll(contract, 100);
    await recreate(contract);
    await send(contract.topic, parcels(100, 250));

    await expect(startLanding(lake, contract).ended).rejects.toMatchObject({
      code: 'LANDING_TOPIC_RECREATED',
      remedy: expect.stringContaining(`./tidemark topics adopt ${contract.topic}`),
    });
    expect(await count(lake, contract)).toBe(100);
    expect(await report(contract)).toMatchObject({ state: 'LANDING_TOPIC_RECREATED', lag: 150 });

    expect(await adopt(contract)).toMatchObject({ kind: 'recreated' });
    await landAll(contract, 250);
    const [sums] = await query(
      lake,
      contract,
      `SELECT count(DISTINCT serial) AS serials,
      count(DISTINCT _topic_id) AS ids FROM bronze`,
    );
    expect(sums).toEqual({ serials: '250', ids: '2' });
    expect(await report(contract)).toMatchObject({ state: 'ok', lag: 0 });
    expect(await adopt(contract)).toEqual({ kind: 'nothing' });
  });

  test('stops a landing that runs, before a record of the new one is taken for one of the old', async () => {
    const contract = uniqueContract();
    await createTopics(contract);
    await send(contract.topic, parcels(0, 600));
    const landing = startLanding(lake, contract);
    await expect.poll(() => count(lake, contract), PATIENCE).toBe(600);
    await recreate(contract);
    await send(contract.topic, parcels(600, 1_800));
    await expect(landing.ended).rejects.toMatchObject({
      code: expect.stringMatching(/^LANDING_TOPIC_(RECREATED|GONE)$/),
      remedy: expect.stringContaining(`./tidemark topics adopt ${contract.topic}`),
    });
    expect(await query(lake, contract, 'SELECT count(*) AS n FROM bronze WHERE serial >= 600')).toEqual([
      { n: '0' },
    ]);

    await adopt(contract);
    await landAll(contract, 1_800);
  });
});

describe('a log that no longer holds the next record', () => {
  test('retention overtook landing: it stops, and goes on at the start of the log once that is adopted', async () => {
    const contract = uniqueContract(1);
    await createTopics(contract);
    await send(contract.topic, parcels(0, 100));
    await landAll(contract, 100);
    await send(contract.topic, parcels(100, 300));
    await withAdmin(async (admin) => {
      // Loads the metadata that the next call stands on.
      await admin.fetchTopicOffsets(contract.topic);
      await admin.deleteTopicRecords({
        topic: contract.topic,
        partitions: [{ partition: 0, offset: '250' }],
      });
    });
    await expect(startLanding(lake, contract).ended).rejects.toMatchObject({
      code: 'LANDING_RETENTION_OVERTOOK',
      remedy: expect.stringContaining(`offsets 100 to 250 with ./tidemark topics adopt ${contract.topic}`),
    });
    expect(await adopt(contract)).toMatchObject({ kind: 'overtaken', moves: [{ expected: 100, to: 250 }] });
    await landAll(contract, 150);
    const table = await openTable(lake, 'ops.adoptions');
    await using session = await lake.duckdb.connect();
    if (table === undefined) throw new Error('no note of the adoption');
    await using notes = await scan(lake, await table.snapshot());
    const mine = await session.rows(
      `SELECT reason, lost_records FROM ${notes.sql} WHERE topic = '${contract.topic}'`,
    );
    expect(mine).toEqual([{ reason: 'overtaken', lost_records: '150' }]);
  });

  test('offsets that landed are gone from the end of the log: it stops and says what to do', async () => {
    const contract = uniqueContract(1);
    await createTopics(contract);
    await send(contract.topic, parcels(0, 100));
    await landAll(contract, 100);
    // The log of a broker that was restored from an older copy: it ends before what has landed.
    const [state] = await fetchTopicStates(brokers(), [contract.topic]);
    const table = await openBronze(lake, contract);
    const place = { tableId: table.id, cluster: 'test', topic: contract.topic };
    const appId = landingAppId(place, state?.topicId ?? '', 0);
    await commitTo(table, { txns: [{ appId, expected: 100, version: 140 }] });
    const failure = {
      code: 'LANDING_LOG_TRUNCATED',
      remedy: expect.stringContaining('./tidemark topics adopt'),
    };
    await expect(startLanding(lake, contract).ended).rejects.toMatchObject(failure);
    await expect(adopt(contract)).rejects.toMatchObject(failure);
    expect(
      landedProgress(await table.snapshot(), place)
        .get(state?.topicId ?? '')
        ?.get(0),
    ).toBe(140);
  });
});

test('a compacted topic, and one with other partitions than its contract says, are refused', async () => {
  const compacted = uniqueContract(1);
  await withAdmin(async (admin) => {
    const configEntries = [{ name: 'cleanup.policy', value: 'compact' }];
    await admin.createTopics({ topics: [{ topic: compacted.topic, numPartitions: 1, configEntries }] });
  });
  await expect(startLanding(lake, compacted).ended).rejects.toMatchObject({ code: 'KAFKA_TOPIC_COMPACTED' });
  const other = uniqueContract(1);
  await createTopics(other);
  await expect(startLanding(lake, { ...other, partitions: 2 }).ended).rejects.toMatchObject({
    code: 'KAFKA_TOPIC_PARTITIONS',
  });
});
