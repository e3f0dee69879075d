import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDuckdb } from '../../../infra/core/duckdb.ts';
import { bronzeSelect } from '../../../ingestion/bronze.ts';
import type { Contract } from '../../../ingestion/contract.ts';
import type { FeatureSet } from '../../../transforms/featureSet.ts';
import { backfillSql } from '../../../transforms/featureSql.ts';
import { createStreamState, forgettableBefore } from '../../../transforms/featureStream.ts';
import type { OracleVector } from './oracle.ts';
import type { Random, StreamRecord } from './randomStream.ts';

export interface Vector {
  readonly status: string;
  readonly values: readonly number[];
}

/** Vectors of the stream; `restartAt` says before which records a new state is made from the earlier ones. */
export function streamVectors(
  set: FeatureSet,
  records: readonly StreamRecord[],
  restartAt: (index: number) => boolean = () => false,
  createState: typeof createStreamState = createStreamState,
): Vector[] {
  let state = createState(set);
  const out = new Float32Array(set.features.length);
  return records.map((record, index) => {
    if (restartAt(index)) {
      state = createState(set);
      const earlier = records.slice(0, index);
      const cutMs = forgettableBefore(set, earlier.at(-1)?.arrivedAtMs ?? 0);
      for (const one of earlier) if (one.eventTimeMs > cutMs) state.fold(one);
    }
    if (index % 50 === 49) state.sweep(record.arrivedAtMs);
    return { status: state.next(record, out), values: [...out] };
  });
}

export function someRestarts(random: Random): (index: number) => boolean {
  return () => random.below(60) === 0;
}

export interface Bronze extends AsyncDisposable {
  /** Vectors by `partition/topicId/offset`, of the back-fill or of a change of its text. */
  vectors(set: FeatureSet, change?: (sql: string) => string): Promise<Map<string, Vector>>;
}

/** Records as good rows of a bronze table, by the SQL that landing uses; files landed at `fileLandedAtMs`. */
export async function openBronzeRows(
  contract: Contract,
  records: readonly StreamRecord[],
  fileLandedAtMs = 0,
): Promise<Bronze> {
  const dir = await mkdtemp(join(tmpdir(), 'tidemark-features-'));
  const duckdb = await openDuckdb({ memoryBytes: 2 ** 29, threads: 1, tempDir: join(dir, 'spill') });
  const session = await duckdb.connect();
  const topicIds = [...new Set(records.map(({ topicId }) => topicId))];
  const selects: string[] = [];
  for (const [index, topicId] of topicIds.entries()) {
    const path = join(dir, `${index}.ndjson`);
    const lines = records.filter((one) => one.topicId === topicId).map(lineOf);
    await writeFile(path, `${lines.join('\n')}\n`);
    const ingestedAtMs = topicId.startsWith('file:') ? fileLandedAtMs : Date.UTC(2027, 0, 1);
    selects.push(bronzeSelect(contract, { path, longestLine: 4_096, topicId, ingestedAtMs }));
  }
  await session.run(`create table bronze as ${selects.join(' union all by name ')}`);
  return {
    vectors: async (set, change = (sql) => sql) => {
      const found = new Map<string, Vector>();
      const { chunks, columns } = await session.stream(change(backfillSql(set, 'bronze')));
      const first = columns.findIndex(({ name }) => name === 'status');
      for await (const chunk of chunks) {
        for (const row of chunk) {
          const values = row.slice(first + 1).map((value) => (value === 'NaN' ? Number.NaN : Number(value)));
          found.set(`${row[2]}/${row[1]}/${row[3]}`, { status: String(row[first]), values });
        }
      }
      return found;
    },
    [Symbol.asyncDispose]: async () => {
      await session[Symbol.asyncDispose]();
      await duckdb[Symbol.asyncDispose]();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

export function placeOf({ partition, topicId, offset }: StreamRecord): string {
  return `${partition}/${topicId}/${offset}`;
}

/** Libraries may differ in the last bit of a logarithm or a sine: of the oracle's, not of ours. */
const TRANSCENDENTAL = new Set(['amt_log', 'hour_sin', 'hour_cos']);

/** How many values differ, and the first of them; statuses count as one. */
export function differences(
  set: FeatureSet,
  found: readonly (Vector | undefined)[],
  wanted: readonly OracleVector[],
): { count: number; first: string | undefined } {
  let count = 0;
  let first: string | undefined;
  const note = (text: string) => {
    count += 1;
    first ??= text;
  };
  for (const [index, { status, values }] of wanted.entries()) {
    const vector = found[index];
    if (vector?.status !== status) note(`${index}: ${vector?.status} instead of ${status}`);
    for (const [i, { entry }] of set.features.entries()) {
      const [is, want] = [vector?.values[i] ?? Number.POSITIVE_INFINITY, values[entry.name]];
      if (want === undefined) throw new Error(`the oracle does not know ${entry.name}`);
      const isSame = TRANSCENDENTAL.has(entry.name) ? isNear(is, want) : Object.is(is, want);
      if (!isSame) note(`${index}: ${entry.name} is ${is} instead of ${want}`);
    }
  }
  return { count, first };
}

// === Helpers ===

function lineOf({ partition, offset, arrivedAtMs, value }: StreamRecord): string {
  return JSON.stringify({ _p: partition, _o: offset, _t: arrivedAtMs, ...value });
}

function isNear(a: number, b: number): boolean {
  return Object.is(a, b) || Math.abs(a - b) <= 1e-7 * Math.max(1, Math.abs(b));
}
