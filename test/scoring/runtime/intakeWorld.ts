import { setImmediate as turn } from 'node:timers/promises';
import { paymentContent } from '../../../infra/content.ts';
import type { TopicReader } from '../../../infra/core/kafka.ts';
import type { FetchedBatch } from '../../../infra/core/kafkaGroup.ts';
import type { Clock } from '../../../infra/core/ports.ts';
import { answeredAppId } from '../../../ingestion/answered.ts';
import { BronzeBatch } from '../../../ingestion/bronzeBatch.ts';
import { commitBatch, openBronze, stageBatch } from '../../../ingestion/bronzeTable.ts';
import type { Contract } from '../../../ingestion/contract.ts';
import { compileDecoder } from '../../../ingestion/decoder.ts';
import { IdentityGuard } from '../../../scoring/runtime/identityGuard.ts';
import { Intake } from '../../../scoring/runtime/intake.ts';
import { openTopics } from '../../../scoring/runtime/openTopics.ts';
import { ScoreQueue } from '../../../scoring/runtime/scoreQueue.ts';
import { readTopicsNow } from '../../../scoring/runtime/sources.ts';
import { planTakeUp } from '../../../scoring/runtime/takeUp.ts';
import { openTempLake, silentLog } from '../../support/tempLake.ts';
import { contractOf, fintech, NOW_MS, PLACE, transfer } from '../deciding.ts';

/** An intake over a lake, with a Kafka that has one partition of interest. */
export type IntakeWorld = Awaited<ReturnType<typeof openIntakeWorld>>;

/** A clock that sleeping moves; whoever sleeps lets the others have a turn. */
export function turningClock(): Clock & { atMs: number } {
  const clock = {
    atMs: NOW_MS,
    nowMs: () => clock.atMs,
    sleep: async (ms: number) => {
      clock.atMs += ms;
      await turn();
    },
  };
  return clock;
}

export async function openIntakeWorld({ queueBytes = 1_000_000 } = {}) {
  const clock = turningClock();
  const passed: string[] = [];
  const home = await openTempLake(clock);
  const lake = { ...home, crashPoint: (name: string) => void passed.push(name) };
  const contract = contractOf(fintech);
  const decisions = paymentContent.contracts.find(({ answers }) => answers !== undefined) as Contract;
  /** Extent of the partition; all others are empty. */
  const log = { logStart: 0, logEnd: 0 };
  const reader: TopicReader = {
    read: async (topics) =>
      topics.map((topic) => ({ topic, topicId: PLACE.topicId, partitions: partitionsOf(topic, log) })),
    [Symbol.asyncDispose]: async () => {},
  };
  const opened = await openTopics(lake, reader, {
    ...{ sources: [{ set: fintech, contract }], decisions, cluster: 'main' },
  });
  const queue = new ScoreQueue();
  const failures: unknown[] = [];
  const afterPlan: (() => void)[] = [];
  const intake = new Intake({
    ...{ lake, log: silentLog, queue, queueBytes, sources: opened.sources },
    guard: new IdentityGuard({ read: async () => new Map(), [Symbol.asyncDispose]: async () => {} }, []),
    group: { seek: () => {} },
    settled: async () => {},
    plan: async (assigned) => {
      const now = await readTopicsNow(lake, reader, { topics: opened.all, cluster: 'main' });
      const planned = await planTakeUp(
        { lake, ...opened, tail: { brokers: [], log: silentLog } },
        now,
        assigned,
      );
      afterPlan.pop()?.();
      return planned;
    },
    onFailure: (error) => failures.push(error),
  });
  return {
    ...{ clock, lake, log, reader, queue, intake, failures, sources: opened.sources },
    /** Crash points that were passed. */
    passed,
    /** The next one is called once the next partitions are planned. */
    afterPlan,
    /** These partitions of the topic are assigned, and taken up. */
    assign: async (...partitions: readonly number[]) => {
      const takenUp = () => passed.filter((name) => name === 'after-restore').length;
      const before = takenUp();
      intake.assign(new Map([[contract.topic, partitions]]));
      while (takenUp() === before && failures.length === 0) await turn();
    },
    /** Somebody has decided all below this offset, and that has landed. */
    decide: async (below: number) => {
      const target = { table: await openBronze(lake, decisions), contract: decisions };
      const answered = new Map([[answeredAppId(PLACE), below]]);
      await commitBatch(target, { adds: [], ranges: new Map(), answered }, { cluster: 'main', topicId: 'd' });
    },
    /** So many records land, from offset 0 on. */
    land: async (records: number) => {
      const source = { topicId: PLACE.topicId, ingestedAtMs: NOW_MS };
      using batch = new BronzeBatch({
        ...{ decoder: compileDecoder(contract), scratchDir: lake.stagingDir, startedMs: 0 },
      });
      for (let offset = 0; offset < records; offset += 1)
        batch.add({ ...transfer(), partition: PLACE.partition, offset });
      const table = await openBronze(lake, contract);
      await using session = await lake.duckdb.connect();
      const adds = await stageBatch({ table, contract, session }, batch, source);
      const counts = { from: 0, to: records, fetched: records, good: records, bad: 0 };
      const ranges = new Map([[PLACE.partition, { expected: undefined, ...counts }]]);
      await commitBatch({ table, contract }, { adds, ranges }, { cluster: 'main', topicId: PLACE.topicId });
    },
    /** A fetch of so many records. */
    fetchOf: (fetchedOffset: number, records: number): FetchedBatch => ({
      ...{ topic: contract.topic, partition: PLACE.partition, fetchedOffset },
      nextOffset: fetchedOffset + records,
      highWatermark: log.logEnd,
      records: Array.from({ length: records }, (_, index) => {
        const { key, value, arrivedAtMs } = transfer();
        return { offset: String(fetchedOffset + index), timestamp: String(arrivedAtMs), key, value };
      }),
    }),
    [Symbol.asyncDispose]: () => home[Symbol.asyncDispose](),
  };
}

// === Helpers ===

function partitionsOf(topic: string, log: { readonly logStart: number; readonly logEnd: number }) {
  const contract = paymentContent.contracts.find((one) => one.topic === topic);
  const isSource = topic === contractOf(fintech).topic;
  return Array.from({ length: contract?.partitions ?? 0 }, (_, partition) => {
    return isSource && partition === PLACE.partition
      ? { partition, ...log }
      : { partition, logStart: 0, logEnd: 0 };
  });
}
