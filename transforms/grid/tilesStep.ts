import { type SqlSession, sqlName } from '../../infra/core/duckdb.ts';
import { fault } from '../../infra/core/errorCatalog.ts';
import type { Lake } from '../../lakehouse/lake.ts';
import { scan } from '../../lakehouse/scan.ts';
import type { Snapshot } from '../../lakehouse/snapshot.ts';
import { openTable } from '../../lakehouse/table.ts';
import type { GoldEntity } from '../goldEntity.ts';
import { entityIdSql, type LabelHistory } from '../goldLabels.ts';
import { tilesSql } from '../goldTiles.ts';
import type { Closing } from './closings.ts';
import {
  commitGridRows,
  dateField,
  type GridStep,
  type GridTarget,
  openGridTable,
  unchangedStep,
} from './gridTable.ts';
import { ENTITY_ID, VISIBLE_DATE } from './martTable.ts';
import { firstClosing, openVisibleRows, visibleRanges } from './visibleRows.ts';

export interface TilesRequest {
  readonly entity: GoldEntity;
  /** All closings up to the grid point that is wanted. */
  readonly closings: readonly Closing[];
  /** Whether a partition of bronze (`<topic>@<topic id>:<partition>`) is a file. */
  readonly isFile: (partition: string) => boolean;
}

/**
 * Brings an entity's tiles up to the newest of the closings: tiles of the rows that became visible since are
 * added, of a new definition all of them are made from bronze by the same closings, in one pass. Undefined:
 * somebody else has committed meanwhile. @throws GRID_ROWS_DIFFER
 */
export async function bringTiles(lake: Lake, request: TilesRequest): Promise<GridStep | undefined> {
  const { entity, closings } = request;
  const startedMs = lake.clock.nowMs();
  const toMs = closings.at(-1)?.atMs ?? Number.NEGATIVE_INFINITY;
  const target = await openGridTable(lake, {
    name: entity.tilesTable,
    description: `What happened to each ${entity.name} in each hour of the grid, by the grid point from which on it counts.`,
    fields: [...entity.tileFields, dateField(VISIBLE_DATE, 'UTC date of visible_from')],
    definition: entity.tilesHash,
    orderBy: `${ENTITY_ID}, hour, visible_from`,
  });
  if (target.doneMs !== undefined && target.doneMs >= toMs) return unchangedStep(target);
  await using work = await openWork(lake, request);
  const fresh = await work.relations(target.doneMs);
  const history = await historyOf(work, entity, { fresh, doneMs: target.doneMs });
  const inputs = { rows: fresh, ...(history === undefined ? {} : { history }) };
  await work.session.run(`create temp table made as ${tilesSql(entity, inputs)}`);
  await checkRows(work.session, entity, fresh);
  if (target.doneMs === undefined) await noteDifferences(lake, work.session, target);
  return await commitGridRows(lake, target, {
    session: work.session,
    select: `select *, cast(visible_from as date) as ${VISIBLE_DATE} from made`,
    toMs,
    startedMs,
  });
}

// === Helpers ===

interface Work extends AsyncDisposable {
  readonly session: SqlSession;
  /** Rows that became visible after `afterMs`, by bronze table: all that feed the entity, or those named. */
  relations(
    afterMs: number | undefined,
    only?: readonly string[],
    where?: (table: string) => string | undefined,
  ): Promise<Readonly<Record<string, string>>>;
}

async function openWork(lake: Lake, { entity, closings, isFile }: TilesRequest): Promise<Work> {
  const first = firstClosing(closings);
  if (first === undefined) throw new Error('tiles need a closing');
  await using stack = new AsyncDisposableStack();
  const session = stack.use(await lake.duckdb.connect());
  const labels = entity.labels === undefined ? [] : [entity.labels.table];
  const tables = [...new Set([...entity.feeds.map(({ source }) => source.table), ...labels])];
  const bronze = new Map<string, Snapshot>();
  for (const name of tables) {
    const table = await openTable(lake, name);
    if (table !== undefined) bronze.set(name, await table.snapshot());
  }
  const owned = stack.move();
  return {
    session,
    relations: async (afterMs, only = tables, where = () => undefined) => {
      const made: Record<string, string> = {};
      for (const [name, snapshot] of bronze) {
        if (!only.includes(name)) continue;
        const ranges = visibleRanges(closings, name, { afterMs, isFile });
        const visible = { ranges, first, where: where(name) };
        made[name] = owned.use(await openVisibleRows(lake, snapshot, visible)).sql;
      }
      return made;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/**
 * What labels are counted from. An event and its label may become visible in either order, and a correction
 * comes at any time: of events with something new all is read again, however old it is.
 */
async function historyOf(
  work: Work,
  { labels, feeds }: GoldEntity,
  since: { readonly fresh: Readonly<Record<string, string>>; readonly doneMs: number | undefined },
): Promise<LabelHistory | undefined> {
  if (labels === undefined) return undefined;
  const { fresh, doneMs } = since;
  const idOf: Record<string, string> = { [labels.table]: sqlName(labels.event) };
  let afterMs: number | undefined;
  for (const { source } of feeds) idOf[source.table] = sqlName(source.eventId ?? '');
  if (doneMs !== undefined) {
    const all = await work.relations(undefined, [labels.table]);
    const touched = feeds.map(({ source: { table } }) => {
      const labelled = `select ${sqlName(labels.event)} from ${all[labels.table]}`;
      return `select ${idOf[table]} as id from ${fresh[table]} where ${idOf[table]} in (${labelled})`;
    });
    touched.push(`select ${sqlName(labels.event)} as id from ${fresh[labels.table]}`);
    await work.session.run(`create temp table touched as ${touched.join(' union ')}`);
    const [any] = await work.session.rows('select 1 as one from touched limit 1');
    // Nothing is new of any event with a label: no row is read again.
    if (any === undefined) afterMs = Number.POSITIVE_INFINITY;
  }
  const where = (table: string) =>
    doneMs === undefined ? undefined : `${idOf[table]} in (select id from touched)`;
  const events = await work.relations(afterMs, Object.keys(idOf), where);
  return { labels: events[labels.table] ?? '', events, ...(doneMs === undefined ? {} : { fromMs: doneMs }) };
}

/** Audit before the commit: at each grid point tiles count exactly the good rows that became visible there. */
async function checkRows(
  session: SqlSession,
  entity: GoldEntity,
  fresh: Readonly<Record<string, string>>,
): Promise<void> {
  const rows = entity.feeds.map(
    (feed) =>
      `select visible_from_ms as at_ms from ${fresh[feed.source.table]} where _error is null and ${entityIdSql(entity, feed)} is not null`,
  );
  const [found] = await session.rows(`
    with bronze as (select at_ms, count(*) as n from (${rows.join(' union all ')}) group by at_ms),
    tiled as (select epoch_ms(visible_from) as at_ms, sum(n) as n from made group by all)
    select at_ms, coalesce(b.n, 0) as bronze_rows, coalesce(t.n, 0) as tiled_rows
    from bronze as b full join tiled as t using (at_ms)
    where coalesce(b.n, 0) <> coalesce(t.n, 0) order by at_ms limit 1`);
  if (found === undefined) return;
  throw fault('GRID_ROWS_DIFFER', {
    table: entity.tilesTable,
    at: new Date(Number(found['at_ms'])).toISOString(),
    rows: String(found['bronze_rows']),
    tiled: String(found['tiled_rows']),
  });
}

/** A new partial leaves the old ones as they were; where a definition was changed they differ. */
async function noteDifferences(lake: Lake, session: SqlSession, { base, spec }: GridTarget): Promise<void> {
  if (base.files.size === 0) return;
  const kept = base.schema.filter(({ name, type }) =>
    spec.fields.some((f) => f.name === name && JSON.stringify(f.type) === JSON.stringify(type)),
  );
  const columns = kept
    .filter(({ name }) => name !== VISIBLE_DATE)
    .map(({ name }) => sqlName(name))
    .join(', ');
  await using old = await scan(lake, base);
  const [row] = await session.rows(`
    select count(*) as n from (
      select ${columns} from ${old.sql}
      except all select ${columns} from made
    )`);
  const different = Number(row?.['n']);
  if (different > 0) {
    lake.log.warn(
      { table: spec.name, different },
      'rows of tiles differ from those of the definition before',
    );
  }
}
