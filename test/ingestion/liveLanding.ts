import { Kafka, logLevel } from 'kafkajs';
import { inject } from 'vitest';
import { systemClock } from '../../infra/core/clock.ts';
import type { SqlRow } from '../../infra/core/duckdb.ts';
import {
  connectProducer,
  ensureTopics,
  fetchTopicStates,
  type OutgoingRecord,
} from '../../infra/core/kafka.ts';
import type { KafkaRecord } from '../../infra/core/kafkaGroup.ts';
import { readTopic } from '../../infra/core/kafkaReader.ts';
import { openBronze } from '../../ingestion/bronzeTable.ts';
import type { Contract } from '../../ingestion/contract.ts';
import { runLanding, topicSpecs } from '../../ingestion/landing.ts';
import { scan } from '../../lakehouse/scan.ts';
import { openTempLake, silentLog, type TempLake } from '../support/tempLake.ts';
import { PARCELS } from './records.ts';

let made = 0;

/** A contract with a topic and a table of its own. */
export function uniqueContract(partitions = 3): Contract {
  made += 1;
  const name = `parcels_${process.pid}_${Date.now()}_${made}`;
  return { ...PARCELS, topic: name, table: `bronze.${name}`, partitions };
}

export function brokers(): string[] {
  return [inject('services').kafka];
}

/** Kafka's administration, for what Tidemark itself never does. The caller disconnects. */
export function kafkaClient(): Kafka {
  return new Kafka({ brokers: brokers(), logLevel: logLevel.NOTHING });
}

export async function createTopics(contract: Contract, config: Record<string, string> = {}): Promise<void> {
  const [topic, dlq] = topicSpecs(contract);
  if (topic === undefined || dlq === undefined) throw new Error('a contract has two topics');
  await ensureTopics(brokers(), [{ ...topic, config: { ...topic.config, ...config } }, dlq]);
}

export async function send(topic: string, records: readonly OutgoingRecord[]): Promise<void> {
  await using producer = await connectProducer({ brokers: brokers(), clientId: 'test', log: silentLog });
  await producer.send(topic, records);
}

/** A good record of now; `n` distinguishes it. */
export function parcel(n: number, scannedMs = Date.now() - 1_000): { key: string; value: string } {
  const sender = `s${n % 40}`;
  const value = {
    parcel: `DE${n}`,
    sender,
    scanned: new Date(scannedMs).toISOString(),
    weight: 1.5,
    stops: 1,
    serial: n,
    fragile: true,
    size: 's',
    hub: { code: 'H' },
    items: [{ sku: 'a', price: 1 }],
  };
  return { key: sender, value: JSON.stringify(value) };
}

export function parcels(from: number, to: number): { key: string; value: string }[] {
  return Array.from({ length: to - from }, (_, index) => parcel(from + index));
}

export interface Landing {
  /** Rejects with what landing stopped for. */
  readonly ended: Promise<void>;
  /** SIGTERM, in effect. */
  stop(): Promise<void>;
}

export function liveLake(): Promise<TempLake> {
  return openTempLake(systemClock);
}

/** The landing loop in this process, with a short flush interval. */
export function startLanding(lake: TempLake, contract: Contract, groupId = contract.topic): Landing {
  const controller = new AbortController();
  const ended = runLanding(
    {
      lake,
      contracts: [contract],
      kafka: { brokers: brokers(), cluster: 'test', groupId },
      limits: { maxBytes: 1_000_000, maxRows: 2_000, intervalMs: 200 },
      log: silentLog,
    },
    { signal: controller.signal },
  );
  // Whoever waits for the end sees the error; nobody has to.
  ended.catch(() => undefined);
  return {
    ended,
    stop: async () => {
      controller.abort();
      await ended;
    },
  };
}

/** Rows of the bronze table by a query over `bronze`. */
export async function query(lake: TempLake, contract: Contract, sql: string): Promise<SqlRow[]> {
  const table = await openBronze(lake, contract);
  await using session = await lake.duckdb.connect();
  await using rows = await scan(lake, await table.snapshot());
  return await session.rows(sql.replace('bronze', rows.sql));
}

export async function count(lake: TempLake, contract: Contract): Promise<number> {
  const [row] = await query(lake, contract, 'SELECT count(*) AS n FROM bronze');
  return Number(row?.['n']);
}

/** All records that a topic has. */
export async function recordsOf(topic: string): Promise<KafkaRecord[]> {
  const [state] = await fetchTopicStates(brokers(), [topic]);
  const ranges = (state?.partitions ?? []).map(({ partition, logStart, logEnd }) => ({
    partition,
    from: logStart,
    to: logEnd,
  }));
  const records: KafkaRecord[] = [];
  await readTopic({ brokers: brokers(), topic, ranges, log: silentLog }, async (batch) => {
    records.push(...batch.records);
  });
  return records;
}
