import type { SqlSession } from '../infra/core/duckdb.ts';
import { fault } from '../infra/core/errorCatalog.ts';
import { partitionOf } from '../infra/core/kafka.ts';
import type { Logger } from '../infra/core/ports.ts';
import type { Lake } from '../lakehouse/lake.ts';
import type { LakeTable } from '../lakehouse/table.ts';
import { BronzeBatch, type PlacedRecord } from './bronzeBatch.ts';
import { commitBatch, openBronze, stageBatch } from './bronzeTable.ts';
import type { Contract } from './contract.ts';
import { compileDecoder } from './decoder.ts';
import { firstLiveArrival } from './firstLive.ts';
import { type FlushLimits, shouldFlush } from './flushPolicy.ts';
import { type HistoryFile, openHistoryFile } from './historyFile.ts';
import { landedProgress } from './progress.ts';

export interface LandFileDeps {
  readonly lake: Lake;
  readonly kafka: { readonly brokers: readonly string[]; readonly cluster: string };
  readonly limits: FlushLimits;
  readonly log: Logger;
}

export interface LandFileReport {
  readonly topic: string;
  /** `file:<sha256>`: the same content is the same history, under any name. */
  readonly topicId: string;
  readonly rows: number;
  /** Rows that this call landed, good and bad. */
  readonly landed: number;
  readonly bad: number;
  /** Rows that an earlier call had landed. */
  readonly already: number;
}

/**
 * Lands history from a file through the decoder and writer of live records. Row n of a partition (by
 * the key, as Kafka would) has offset n; every commit moves the txns of its partitions, so a call after
 * a crash goes on, and another call changes nothing.
 * @throws HISTORY_FILE_INVALID, HISTORY_IN_FUTURE, HISTORY_AFTER_LIVE, HISTORY_RENUMBERED
 */
export async function landFile(
  deps: LandFileDeps,
  request: {
    readonly path: string;
    readonly contract: Contract;
    readonly signal?: AbortSignal;
    /** After each commit: rows landed so far, of all rows of the file. */
    readonly onProgress?: (done: number, rows: number) => void;
  },
): Promise<LandFileReport> {
  const { lake, kafka, log } = deps;
  const { path, contract } = request;
  await using reading = await lake.duckdb.connect();
  await using writing = await lake.duckdb.connect();
  const file = await openHistoryFile(path, reading);
  const table = await openBronze(lake, contract);
  checkPast(file, lake.clock.nowMs());
  checkBeforeLive(
    file,
    await firstLiveArrival(lake, table, { ...kafka, topic: contract.topic, log }),
    contract,
  );
  const run = { ...request, file, table, session: writing };
  for (;;) {
    const report = await landOnce(deps, run);
    // Somebody else lands the same file: what they have landed is skipped in the next round.
    if (report !== 'conflict') return report;
    log.warn({ path }, 'another process lands this file; going on behind it');
  }
}

// === Helpers ===

interface Run {
  readonly contract: Contract;
  readonly file: HistoryFile;
  readonly table: LakeTable;
  readonly session: SqlSession;
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, rows: number) => void;
}

async function landOnce(deps: LandFileDeps, run: Run): Promise<LandFileReport | 'conflict'> {
  const { contract, file, onProgress } = run;
  const { clock, stagingDir } = deps.lake;
  const decoder = compileDecoder(contract);
  const landed = await landedOffsets(deps, run);
  const counts = { landed: 0, bad: 0, already: 0 };
  // Only full batches: waiting costs nothing here.
  const limits = { ...deps.limits, intervalMs: Number.POSITIVE_INFINITY };
  const newBatch = () =>
    new BronzeBatch({ decoder, scratchDir: stagingDir, startedMs: 0, answers: contract.answers });
  let batch = newBatch();
  try {
    for await (const { record, isLanded } of rowsToLand(file, contract, landed)) {
      if (isLanded) counts.already += 1;
      else counts[take(batch, record, landed)] += 1;
      if (!shouldFlush(batch, limits, clock.nowMs())) continue;
      if ((await flush(deps, run, batch)) === 'conflict') return 'conflict';
      for (const [partition, { to }] of batch.ranges) landed.set(partition, to);
      batch[Symbol.dispose]();
      batch = newBatch();
      onProgress?.(counts.already + counts.landed + counts.bad, file.rows);
    }
    if ((await flush(deps, run, batch)) === 'conflict') return 'conflict';
    onProgress?.(file.rows, file.rows);
  } finally {
    batch[Symbol.dispose]();
  }
  const { bad, already } = counts;
  const { topicId, rows } = file;
  return { topic: contract.topic, topicId, rows, landed: counts.landed + bad, bad, already };
}

/**
 * Rows, and whether they have landed: those are the first ones of the file, since commits follow its
 * order. Where they are not, rows had other numbers when they landed, and would land again under these.
 * @throws HISTORY_RENUMBERED
 */
async function* rowsToLand(
  file: HistoryFile,
  contract: Contract,
  landed: ReadonlyMap<number, number>,
): AsyncGenerator<{ record: PlacedRecord; isLanded: boolean }> {
  let remaining = [...landed.values()].reduce((sum, next) => sum + next, 0);
  for await (const record of placedRows(file, contract)) {
    const isLanded = remaining > 0;
    if (isLanded) remaining -= 1;
    if (isLanded !== record.offset < (landed.get(record.partition) ?? 0)) {
      throw fault('HISTORY_RENUMBERED', { path: file.path, table: contract.table });
    }
    yield { record, isLanded };
  }
}

/** Rows with the partition that Kafka would give them and their number in it. */
async function* placedRows(file: HistoryFile, { partitions }: Contract): AsyncGenerator<PlacedRecord> {
  const next = new Array<number>(partitions).fill(0);
  for await (const row of file.read()) {
    const partition = row.key === null ? 0 : partitionOf(row.key, partitions);
    const offset = next[partition] ?? 0;
    next[partition] = offset + 1;
    yield { ...row, partition, offset };
  }
}

function take(
  batch: BronzeBatch,
  record: PlacedRecord,
  landed: ReadonlyMap<number, number>,
): 'landed' | 'bad' {
  const good = batch.add(record) ? 1 : 0;
  const { partition, offset: from } = record;
  const expected = landed.get(partition);
  batch.advance(partition, { expected, from, to: from + 1, fetched: 1, good, bad: 1 - good });
  return good === 1 ? 'landed' : 'bad';
}

async function landedOffsets(
  { kafka }: LandFileDeps,
  { table, contract, file }: Run,
): Promise<Map<number, number>> {
  const place = { tableId: table.id, cluster: kafka.cluster, topic: contract.topic };
  return new Map(landedProgress(await table.snapshot(), place).get(file.topicId));
}

async function flush(deps: LandFileDeps, run: Run, batch: BronzeBatch): Promise<'committed' | 'conflict'> {
  run.signal?.throwIfAborted();
  if (batch.rows === 0) return 'committed';
  const { lake, kafka, log } = deps;
  const { topicId } = run.file;
  // A crash before the commit leaves orphans; the next call starts from the txns of the last commit.
  const adds = await stageBatch(run, batch, { topicId, ingestedAtMs: lake.clock.nowMs() });
  const source = { cluster: kafka.cluster, topicId };
  const parts = { adds, ranges: batch.ranges, answered: batch.answered.next };
  const result = await commitBatch(run, parts, source);
  lake.crashPoint('after-lake-commit');
  if (result.kind === 'committed') {
    const { rows, deadLetters } = batch;
    log.info({ topic: run.contract.topic, rows, bad: deadLetters.length, version: result.version }, 'landed');
  }
  return result.kind;
}

function checkPast(file: HistoryFile, nowMs: number): void {
  const { path, lastArrivalMs = nowMs } = file;
  if (lastArrivalMs > nowMs)
    throw fault('HISTORY_IN_FUTURE', { path, last: new Date(lastArrivalMs).toISOString() });
}

function checkBeforeLive(file: HistoryFile, firstLiveMs: number | undefined, { topic }: Contract): void {
  const { path, lastArrivalMs } = file;
  if (firstLiveMs === undefined || lastArrivalMs === undefined || lastArrivalMs < firstLiveMs) return;
  const last = new Date(lastArrivalMs).toISOString();
  throw fault('HISTORY_AFTER_LIVE', { path, topic, last, first: new Date(firstLiveMs).toISOString() });
}
