import { join } from 'node:path';
import { cpuUsage } from 'node:process';
import { paymentContent } from '../../infra/content.ts';
import { openDuckdb, sqlName, sqlText } from '../../infra/core/duckdb.ts';
import { openFeatures } from '../../infra/features.ts';
import type { Contract } from '../../ingestion/contract.ts';
import { goldEntitiesOf } from '../../transforms/featureSet.ts';
import { backfillSql } from '../../transforms/featureSql.ts';
import { martSql } from '../../transforms/goldMarts.ts';
import { openLandedRows } from '../transforms/features/landedRows.ts';
import type { VisibleRecord } from '../transforms/features/randomWorld.ts';

/**
 * Tiles and marts of a simulated history, and its back-fill with gold features. Prints figures; asserts nothing.
 * Usage: node test/bench/gold.ts DIR, where DIR is what `tidemark simulate --history DIR --days 60` wrote.
 */
const [history = ''] = process.argv.slice(2);
const HOUR_MS = 3_600_000;

const contracts = paymentContent.contracts.filter(({ topic }) => topic !== 'decisions');
const tables = Object.fromEntries(
  await Promise.all(contracts.map(async (one) => [one.table, await recordsOf(one)] as const)),
);
const sets = await openFeatures(paymentContent);
const entities = goldEntitiesOf(sets);
await using landed = await openLandedRows(contracts, tables);
const events = Object.values(tables).reduce((sum, { length }) => sum + length, 0);
console.log(`${events} records of ${history}, ${entities.length} entities`);

const tiles: Record<string, string> = {};
for (const entity of entities) {
  await timed(`tiles of ${entity.name}, one pass`, async () =>
    Object.assign(tiles, await landed.buildTiles([entity])),
  );
  const toMs = landed.endMs;
  const table = tiles[entity.name] ?? '';
  await timed('  base mart', () => countOf(martSql(entity, table, { at: 'last', toMs })));
  await timed('  mart of the newest hour', () =>
    countOf(martSql(entity, table, { at: 'each', fromMs: toMs - HOUR_MS, toMs })),
  );
  await timed('  marts of the newest 72 hours', () =>
    countOf(martSql(entity, table, { at: 'each', fromMs: toMs - 72 * HOUR_MS, toMs })),
  );
}
for (const set of sets) {
  const wanted = `time_ms >= ${landed.endMs - 30 * 24 * HOUR_MS}`;
  for (const kinds of [['event', 'stream', 'gold', 'derived'], ['event'], ['stream'], ['gold']]) {
    const features = set.features.filter(({ entry }) => kinds.includes(entry.kind));
    const sql = backfillSql(set, sqlName(set.source.table), features, { tiles, wanted });
    await timed(`back-fill of ${set.source.name}, newest 30 days, ${kinds.join(' ')}`, () => countOf(sql));
  }
}

// === Helpers ===

async function recordsOf({ topic, eventTime }: Contract): Promise<VisibleRecord[]> {
  await using duckdb = await openDuckdb({ memoryBytes: 2 ** 30, threads: 1 });
  await using session = await duckdb.connect();
  const path = sqlText(join(history, `${topic}.parquet`));
  const rows = await session.rows(
    `select key, value, epoch_ms(arrived_at) as at from ${path} order by arrived_at, key`,
  );
  return rows.map(({ key, value, at }, offset) => {
    const content = JSON.parse(String(value)) as Record<string, unknown>;
    const arrivedAtMs = Number(at);
    const place = { topicId: 'file:history', partition: 0, offset, key: String(key), arrivedAtMs };
    const eventTimeMs = Date.parse(String(content[eventTime]));
    const visibleFromMs = Math.ceil((arrivedAtMs - 300_000) / HOUR_MS) * HOUR_MS;
    return { ...place, value: content, eventTimeMs, visibleFromMs };
  });
}

async function countOf(sql: string): Promise<number> {
  const [row] = await landed.session.rows(
    `select count(*) as n, bit_xor(hash(mart)) as all_columns from (${sql}) as mart`,
  );
  return Number(row?.['n']);
}

async function timed(what: string, run: () => Promise<unknown>): Promise<void> {
  const start = cpuUsage();
  const result = await run();
  const { user, system } = cpuUsage(start);
  const rows = typeof result === 'number' ? `, ${result} rows` : '';
  console.log(`${what}: ${((user + system) / 1e6).toFixed(2)} CPU-seconds${rows}`);
}
