import { sqlName } from '../../infra/core/duckdb.ts';
import type { Lake } from '../../lakehouse/lake.ts';
import { pruneFiles } from '../../lakehouse/pruning.ts';
import { newestRelease, type Release } from '../../lakehouse/release.ts';
import { scan } from '../../lakehouse/scan.ts';
import type { Snapshot } from '../../lakehouse/snapshot.ts';
import { openTable } from '../../lakehouse/table.ts';
import { FEATURE_HASH, type GoldEntity } from '../goldEntity.ts';
import type { GoldStatus, GoldView } from '../goldView.ts';
import { DEFINITION } from '../progress.ts';
import { createHeldRows, type HeldRows } from './heldRows.ts';
import { AS_OF_DATE, dateText, ENTITY_ID, heldFromAppId } from './martTable.ts';

export interface GoldMarts {
  readonly view: GoldView;
  /**
   * Takes over what a newer release has; true when the view changed. Look-ups go on meanwhile and see the old
   * grid point until all of the new one is there. `heldFromMs`: from now on no look-up is for an older grid point.
   */
  refresh(heldFromMs?: number): Promise<boolean>;
  /** Of all entities. */
  readonly rows: number;
  readonly bytes: number;
}

/**
 * Loads the marts of the newest release: for each entity its rows from the newest at or before `heldFromMs`
 * on (the `asOf` of the first event to be decided). Without a release of marts the view is empty and
 * `closedToMs` −∞; `refresh` finds the first one. Marts that were made by other definitions than the entities'
 * are as if they were not there: what is held ages until they are made anew.
 */
export async function openGoldMarts(
  lake: Lake,
  entities: readonly GoldEntity[],
  { heldFromMs }: { readonly heldFromMs: number },
): Promise<GoldMarts> {
  const held: Held = {
    heldFromMs,
    closedToMs: Number.NEGATIVE_INFINITY,
    loaded: undefined,
    refused: undefined,
    marts: entities.map(({ features }) => createHeldRows(features.length)),
  };
  const marts: GoldMarts = {
    view: viewOf(entities, held),
    refresh: async (heldFromMs = held.heldFromMs) => await refresh(lake, entities, { held, heldFromMs }),
    get rows() {
      return held.marts.reduce((sum, { rows }) => sum + rows, 0);
    },
    get bytes() {
      return held.marts.reduce((sum, { bytes }) => sum + bytes, 0);
    },
  };
  await marts.refresh();
  return marts;
}

// === Helpers ===

interface Held {
  heldFromMs: number;
  closedToMs: number;
  /** What the rows in memory were built from: another definition or table means loading anew. */
  loaded: { readonly release: number; readonly built: string } | undefined;
  marts: readonly HeldRows[];
  /** A release whose marts are not for these entities: it needs no second look. */
  refused: number | undefined;
}

function viewOf(entities: readonly GoldEntity[], held: Held): GoldView {
  const empties = entities.map(({ features }) => Float64Array.from(features, ({ nothing }) => nothing));
  const maxAgeMs = Math.max(...entities.map(({ settings }) => settings.goldMaxAgeMs));
  return {
    // hot path
    read: (entity, id, asOfMs, target) => {
      const empty = empties[entity] as Float64Array;
      const ageMs = asOfMs - held.closedToMs;
      const atMs = Math.min(asOfMs, held.closedToMs);
      const isOutside = ageMs > maxAgeMs;
      if (id === undefined || isOutside || atMs < held.heldFromMs) {
        target.row.fill(Number.NaN, target.at, target.at + empty.length);
        if (isOutside) return 'OUTSIDE_MAX_AGE';
        if (atMs < held.heldFromMs) return 'NOT_HELD';
        return ageMs > 0 ? 'STALE' : 'NOT_FOUND';
      }
      const isFound = (held.marts[entity] as HeldRows).read(id, atMs, target);
      if (!isFound) target.row.set(empty, target.at);
      return statusOf(isFound, ageMs);
    },
    get closedToMs() {
      return held.closedToMs;
    },
  };
}

function statusOf(isFound: boolean, ageMs: number): GoldStatus {
  if (ageMs > 0) return 'STALE';
  return isFound ? 'PRESENT' : 'NOT_FOUND';
}

async function refresh(
  lake: Lake,
  entities: readonly GoldEntity[],
  { held, heldFromMs }: { readonly held: Held; readonly heldFromMs: number },
): Promise<boolean> {
  const release = await newestRelease(lake.store);
  if (release?.grid === undefined || release.number === held.loaded?.release) return false;
  if (release.number === held.refused) return false;
  const { closedToMs } = release.grid;
  const pinned = await pinnedMarts(lake, entities, release);
  if (pinned === undefined) {
    held.refused = release.number;
    return false;
  }
  const built = JSON.stringify(
    pinned.map(({ metadata }) => [metadata.id, metadata.configuration?.[DEFINITION]]),
  );
  const firstMs = Math.max(...pinned.map((mart) => mart.txns.get(heldFromAppId(mart.table)) ?? 0));
  const isSame = held.loaded?.built === built && held.closedToMs >= firstMs;
  const wantedMs = isSame ? Math.max(heldFromMs, held.heldFromMs) : heldFromMs;
  const fromMs = Math.max(Math.min(wantedMs, closedToMs), firstMs);
  // Rows of grid points that are not closed yet are not seen by look-ups, so the same rows take the changes.
  const marts = isSame ? held.marts : entities.map(({ features }) => createHeldRows(features.length));
  const isNew = !isSame || closedToMs > held.closedToMs;
  for (const [index, mart] of isNew ? pinned.entries() : []) {
    const { features } = entities[index] as GoldEntity;
    const after = isSame ? held.closedToMs : undefined;
    const columns = features.map(({ column }) => column);
    await loadRows(lake, { mart, columns, fromMs, after, closedToMs }, marts[index] as HeldRows);
  }
  Object.assign(held, { marts, closedToMs, heldFromMs: fromMs, loaded: { release: release.number, built } });
  for (const rows of marts) rows.forgetBefore(fromMs);
  return isNew;
}

async function pinnedMarts(
  lake: Lake,
  entities: readonly GoldEntity[],
  release: Release,
): Promise<Snapshot[] | undefined> {
  const snapshots: Snapshot[] = [];
  for (const { martTable, features } of entities) {
    const version = release.tables[martTable];
    const table = version === undefined ? undefined : await openTable(lake, martTable);
    // A release that knows no mart of this entity yet: as if there were none of all.
    if (table === undefined || version === undefined) return undefined;
    const mart = await table.snapshot({ version });
    const hashes = new Map(mart.schema.map(({ name, metadata }) => [name, metadata[FEATURE_HASH]]));
    const other = features.find(({ column, hash }) => hashes.get(column) !== hash);
    if (other !== undefined) {
      const feature = other.entry.name;
      lake.log.warn({ table: martTable, feature }, 'the mart has another definition of it, and is not used');
      return undefined;
    }
    snapshots.push(mart);
  }
  return snapshots;
}

interface RowsToLoad {
  readonly mart: Snapshot;
  readonly columns: readonly string[];
  readonly fromMs: number;
  /** The grid point up to which rows are held already. */
  readonly after: number | undefined;
  readonly closedToMs: number;
}

/** Each day of a mart begins with the rows of all entities: what counts from a grid point on is in its day and later. */
async function loadRows(lake: Lake, load: RowsToLoad, rows: HeldRows): Promise<void> {
  const { mart, columns, fromMs, after, closedToMs } = load;
  const day = { min: dateText(after === undefined ? fromMs : after) };
  const times = after === undefined ? {} : { as_of: { min: new Date(after).toISOString() } };
  const files = pruneFiles(mart, { [AS_OF_DATE]: day, ...times });
  if (files.length === 0) return;
  await using scanned = await scan(lake, mart, { files, columns: [ENTITY_ID, 'as_of', 'tiles', ...columns] });
  await using session = await lake.duckdb.connect();
  const values = new Float64Array(columns.length);
  const chunks = session.columns(
    `select ${ENTITY_ID}, cast(epoch_ms(as_of) as double) as as_of_ms, cast(tiles as double) as tiles, ${columns.map(sqlName).join(', ')}
     from ${scanned.sql}
     where epoch_ms(as_of) > ${after ?? -1} and epoch_ms(as_of) <= ${closedToMs} order by as_of`,
  );
  for await (const [ids = [], times = [], tiles = [], ...vectors] of chunks) {
    for (let i = 0; i < ids.length; i += 1) {
      for (let c = 0; c < vectors.length; c += 1) values[c] = (vectors[c]?.[i] ?? Number.NaN) as number;
      rows.put(ids[i] as string, times[i] as number, tiles[i] === 0 ? undefined : values);
    }
  }
}
