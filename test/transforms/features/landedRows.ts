import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDuckdb, type SqlSession, sqlName } from '../../../infra/core/duckdb.ts';
import { bronzeFields, bronzeSelect } from '../../../ingestion/bronze.ts';
import type { Contract } from '../../../ingestion/contract.ts';
import { duckdbType } from '../../../lakehouse/schema.ts';
import type { FeatureSet } from '../../../transforms/featureSet.ts';
import { type BackfillOptions, backfillSql } from '../../../transforms/featureSql.ts';
import type { GoldEntity } from '../../../transforms/goldEntity.ts';
import { type MartPoints, martSql } from '../../../transforms/goldMarts.ts';
import { tilesSql } from '../../../transforms/goldTiles.ts';
import type { GoldStatus, GoldView } from '../../../transforms/goldView.ts';
import type { StreamRecord } from './randomStream.ts';
import { type VisibleRecord, type World, worldTables } from './randomWorld.ts';
import type { Vector } from './support.ts';

type Change = (sql: string) => string;

/** Records as rows of bronze tables, what is compiled from features over them, and changes of its text. */
export interface LandedRows extends AsyncDisposable {
  readonly session: SqlSession;
  /** Vectors by `partition/topicId/offset`. */
  vectors(set: FeatureSet, options?: BackfillOptions, change?: Change): Promise<Map<string, Vector>>;
  /** Tiles made in calls over stretches that end at `cuts` and at the end of all; gives a table by entity. */
  buildTiles(
    entities: readonly GoldEntity[],
    options?: { readonly cuts?: readonly number[]; readonly change?: Change },
  ): Promise<Record<string, string>>;
  /** What marts of these points hold, as a view that is complete. */
  viewMarts(
    entities: readonly GoldEntity[],
    tiles: Readonly<Record<string, string>>,
    points: readonly MartPoints[],
    change?: Change,
  ): Promise<GoldView>;
  /** The last grid point from which on a row counts. */
  readonly endMs: number;
}

/** Good rows by the SQL that landing uses, and a bad one for every 50; files landed at `fileLandedAtMs`. */
export async function openLandedRows(
  contracts: readonly Contract[],
  records: Readonly<Record<string, readonly VisibleRecord[]>>,
  fileLandedAtMs = 0,
): Promise<LandedRows> {
  const dir = await mkdtemp(join(tmpdir(), 'tidemark-features-'));
  const duckdb = await openDuckdb({ memoryBytes: 2 ** 30, threads: 1, tempDir: join(dir, 'spill') });
  const session = await duckdb.connect();
  for (const contract of contracts) {
    const own = records[contract.table] ?? [];
    await land(session, { dir, contract, records: own, fileLandedAtMs });
  }
  const endMs = Object.values(records)
    .flat()
    .reduce((end, { visibleFromMs }) => Math.max(end, visibleFromMs), 0);
  let tables = 0;
  return {
    session,
    endMs,
    vectors: (set, options, change) => vectorsOf(session, set, options, change),
    buildTiles: async (entities, options = {}) => {
      tables += 1;
      const named = entities.map(({ name }) => [name, `${name}_tiles_${tables}`] as const);
      for (const [index, entity] of entities.entries()) {
        await buildTiles(session, entity, { table: named[index]?.[1] ?? '', endMs, ...options });
      }
      return Object.fromEntries(named);
    },
    viewMarts: async (entities, tiles, points, change) => {
      const marts: MartRows[] = [];
      for (const entity of entities) marts.push(await martRows(session, { entity, tiles, points, change }));
      return viewOf(marts);
    },
    [Symbol.asyncDispose]: async () => {
      await session[Symbol.asyncDispose]();
      await duckdb[Symbol.asyncDispose]();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** All of some worlds; seeds never meet. */
export function openWorlds(contracts: readonly Contract[], worlds: readonly World[]): Promise<LandedRows> {
  const tables = worlds.map(worldTables);
  const names = contracts.map(({ table }) => table);
  return openLandedRows(
    contracts,
    Object.fromEntries(names.map((name) => [name, tables.flatMap((one) => one[name] ?? [])])),
  );
}

// === Helpers ===

interface Landing {
  readonly dir: string;
  readonly contract: Contract;
  readonly records: readonly VisibleRecord[];
  readonly fileLandedAtMs: number;
}

async function land(session: SqlSession, { dir, contract, records, fileLandedAtMs }: Landing) {
  const selects: string[] = [];
  for (const [topicId, own] of Map.groupBy(records, (one) => one.topicId)) {
    const path = join(dir, `${contract.table}.${selects.length}.ndjson`);
    await writeFile(
      path,
      own.flatMap(linesOf).map((line) => `${line}\n`),
    );
    const ingestedAtMs = topicId.startsWith('file:') ? fileLandedAtMs : Date.UTC(2027, 0, 1);
    selects.push(bronzeSelect(contract, { path, longestLine: 4_096, topicId, ingestedAtMs }));
  }
  const path = join(dir, `${contract.table}.visible.ndjson`);
  await writeFile(
    path,
    records.flatMap(visibilityOf).map((row) => `${JSON.stringify(row)}\n`),
  );
  const columns = "{t: 'VARCHAR', p: 'INTEGER', o: 'BIGINT', visible_from_ms: 'BIGINT'}";
  const visible = `read_json('${path}', format = 'newline_delimited', columns = ${columns})`;
  if (selects.length === 0) {
    const fields = bronzeFields(contract).map(({ name, type }) => `${sqlName(name)} ${duckdbType(type)}`);
    await session.run(
      `create table ${sqlName(contract.table)} (${fields.join(', ')}, visible_from_ms bigint)`,
    );
    return;
  }
  await session.run(
    `create table ${sqlName(contract.table)} as
     select b.*, visible_from_ms from (${selects.join(' union all by name ')}) as b
     join ${visible} as v on v.t = _topic_id and v.p = _partition and v.o = _offset`,
  );
}

/** A bad record that says nothing about its event stands behind one in 50. */
function linesOf({ partition, offset, arrivedAtMs, key, value }: StreamRecord): string[] {
  const place = { _p: partition, _o: offset, _t: arrivedAtMs };
  const bad = { ...place, _o: offset + BAD_OFFSET, _k: key, _e: { code: 'X', stage: 'x', detail: 'x' } };
  const good = JSON.stringify({ ...place, ...value });
  return offset % 50 === 0 ? [good, JSON.stringify({ ...bad, ...value })] : [good];
}

function visibilityOf({ topicId, partition, offset, visibleFromMs }: VisibleRecord) {
  const row = { t: topicId, p: partition, o: offset, visible_from_ms: visibleFromMs };
  return offset % 50 === 0 ? [row, { ...row, o: offset + BAD_OFFSET }] : [row];
}

const BAD_OFFSET = 1_000_000;

async function vectorsOf(
  session: SqlSession,
  set: FeatureSet,
  options: BackfillOptions = {},
  change: Change = (sql) => sql,
): Promise<Map<string, Vector>> {
  const found = new Map<string, Vector>();
  const relation = sqlName(set.source.table);
  const { chunks, columns } = await session.stream(change(backfillSql(set, relation, undefined, options)));
  const first = columns.findIndex(({ name }) => name === 'status');
  for await (const chunk of chunks) {
    for (const row of chunk) {
      const values = row.slice(first + 1).map((value) => (value === 'NaN' ? Number.NaN : Number(value)));
      found.set(`${row[2]}/${row[1]}/${row[3]}`, { status: String(row[first]), values });
    }
  }
  return found;
}

async function buildTiles(
  session: SqlSession,
  entity: GoldEntity,
  {
    table,
    endMs,
    cuts = [],
    change = (sql) => sql,
  }: {
    readonly table: string;
    readonly endMs: number;
    readonly cuts?: readonly number[];
    readonly change?: Change;
  },
) {
  const ends = [...cuts.filter((cut) => cut < endMs), endMs];
  for (const [index, toMs] of ends.entries()) {
    const fromMs = ends[index - 1];
    const upTo = (name: string, sinceMs?: number) => {
      const since = sinceMs === undefined ? '' : ` and visible_from_ms > ${sinceMs}`;
      return `(select * from ${sqlName(name)} where visible_from_ms <= ${toMs}${since})`;
    };
    const relations = (sinceMs?: number) =>
      Object.fromEntries(entity.feeds.map(({ source }) => [source.table, upTo(source.table, sinceMs)]));
    const { labels } = entity;
    const history = labels && {
      labels: upTo(labels.table),
      events: relations(),
      ...(fromMs === undefined ? {} : { fromMs }),
    };
    const sql = change(tilesSql(entity, { rows: relations(fromMs), ...(history ? { history } : {}) }));
    await session.run(index === 0 ? `create table ${table} as ${sql}` : `insert into ${table} ${sql}`);
  }
}

interface MartRow {
  readonly asOfMs: number;
  readonly isFound: boolean;
  readonly values: readonly number[];
}

interface MartRows {
  readonly entity: GoldEntity;
  readonly rows: ReadonlyMap<string, readonly MartRow[]>;
}

async function martRows(
  session: SqlSession,
  {
    entity,
    tiles,
    points,
    change = (sql) => sql,
  }: {
    readonly entity: GoldEntity;
    readonly tiles: Readonly<Record<string, string>>;
    readonly points: readonly MartPoints[];
    readonly change: Change | undefined;
  },
): Promise<MartRows> {
  const rows = new Map<string, MartRow[]>();
  for (const one of points) {
    const mart = change(martSql(entity, tiles[entity.name] ?? '', one));
    const sql = `select entity_id, epoch_ms(as_of), * exclude (entity_id, as_of) from (${mart}) order by as_of`;
    const { chunks } = await session.stream(sql);
    for await (const chunk of chunks) {
      for (const [id, asOf, count, ...values] of chunk) {
        const own = rows.get(String(id)) ?? [];
        const row = { asOfMs: Number(asOf), isFound: Number(count) > 0, values: values.map(numberOf) };
        own.push(row);
        rows.set(String(id), own);
      }
    }
  }
  return { entity, rows };
}

function numberOf(value: unknown): number {
  return value === null ? Number.NaN : Number(value);
}

/** The newest row at or before the point; an entity without one has values of nothing. */
function viewOf(marts: readonly MartRows[]): GoldView {
  return {
    closedToMs: Number.POSITIVE_INFINITY,
    read: (index, id, asOfMs, { row, at }): GoldStatus => {
      const mart = marts[index];
      if (mart === undefined) throw new Error(`no entity ${index}`);
      const found = mart.rows.get(id ?? '')?.findLast((one) => one.asOfMs <= asOfMs);
      const values = found?.values ?? mart.entity.features.map(({ nothing }) => nothing);
      row.set(id === undefined ? values.map(() => Number.NaN) : values, at);
      return found?.isFound === true ? 'PRESENT' : 'NOT_FOUND';
    },
  };
}
