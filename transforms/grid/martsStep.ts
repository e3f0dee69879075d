import type { SqlSession } from '../../infra/core/duckdb.ts';
import type { Lake } from '../../lakehouse/lake.ts';
import { pruneFiles } from '../../lakehouse/pruning.ts';
import { scan } from '../../lakehouse/scan.ts';
import type { Snapshot } from '../../lakehouse/snapshot.ts';
import type { GoldEntity } from '../goldEntity.ts';
import { martSql } from '../goldMarts.ts';
import {
  commitGridRows,
  dateField,
  type GridStep,
  type GridTarget,
  openGridTable,
  unchangedStep,
} from './gridTable.ts';
import { AS_OF_DATE, dateText, ENTITY_ID, heldFromAppId } from './martTable.ts';

/** Which rows a step adds to a mart. */
export interface MartPlan {
  /** What is there is replaced. */
  readonly isNew: boolean;
  /** Every entity has a row at each of these grid points. */
  readonly basesMs: readonly number[];
  /** Rows of what changes at the grid points in (after, to]. */
  readonly changesAfterMs: number;
  /** From this grid point on the mart is complete. */
  readonly heldFromMs: number;
}

/**
 * Brings an entity's mart up to a grid point from tiles that are complete up to there. Undefined: somebody
 * else has committed meanwhile.
 */
export async function bringMart(
  lake: Lake,
  entity: GoldEntity,
  step: { readonly tiles: Snapshot; readonly toMs: number; readonly gridMs: number; readonly keepMs: number },
): Promise<GridStep | undefined> {
  const startedMs = lake.clock.nowMs();
  const { toMs } = step;
  const target = await openGridTable(lake, {
    name: entity.martTable,
    description: `Values of the gold features of each ${entity.name}: the newest row at or before a grid point holds there.`,
    fields: [
      ...entity.martFields,
      dateField(AS_OF_DATE, 'UTC date of as_of; each day begins with every entity'),
    ],
    definition: entity.martHash,
    orderBy: `${ENTITY_ID}, as_of`,
  });
  const { doneMs, base } = target;
  if (doneMs !== undefined && doneMs >= toMs) return unchangedStep(target);
  const plan = planMart({ ...step, doneMs, heldFromMs: base.txns.get(heldFromAppId(entity.martTable)) });
  await using session = await lake.duckdb.connect();
  await computeRows(lake, session, { ...step, entity, plan });
  return await commitGridRows(lake, plan.isNew ? { ...target, doneMs: undefined } : target, {
    session,
    select: `select *, cast(as_of as date) as ${AS_OF_DATE} from made`,
    toMs,
    removes: expired(target, plan),
    progress: { [heldFromAppId(entity.martTable)]: plan.heldFromMs },
    startedMs,
  });
}

// === Helpers ===

/**
 * Each UTC day begins with a base, so that older days can go: the day that `keepMs` before the newest grid
 * point lies in is the first one kept. After a longer gap, or of a new definition, the mart begins anew. Pure.
 */
function planMart(state: {
  readonly toMs: number;
  readonly gridMs: number;
  readonly keepMs: number;
  readonly doneMs: number | undefined;
  readonly heldFromMs: number | undefined;
}): MartPlan {
  const { toMs, gridMs, keepMs, doneMs } = state;
  const firstMs = Math.floor((toMs - keepMs) / gridMs) * gridMs;
  const isNew = doneMs === undefined || doneMs < firstMs;
  const afterMs = isNew ? firstMs : doneMs;
  const midnights: number[] = [];
  for (let ms = dayOf(afterMs) + DAY_MS; ms <= toMs; ms += DAY_MS)
    midnights.push(Math.ceil(ms / gridMs) * gridMs);
  const heldFromMs = isNew ? firstMs : Math.max(state.heldFromMs ?? firstMs, dayOf(firstMs));
  return {
    isNew,
    basesMs: [...(isNew ? [firstMs] : []), ...midnights.filter((ms) => ms <= toMs)],
    changesAfterMs: afterMs,
    heldFromMs,
  };
}

const DAY_MS = 86_400_000;

function dayOf(ms: number): number {
  return Math.floor(ms / DAY_MS) * DAY_MS;
}

/** Into `made`: changes, and at bases every entity; what fell empty there has its own row among the changes. */
async function computeRows(
  lake: Lake,
  session: SqlSession,
  work: { entity: GoldEntity; plan: MartPlan; tiles: Snapshot; toMs: number; gridMs: number },
): Promise<void> {
  const { entity, plan, tiles, toMs, gridMs } = work;
  const longestMs = Math.max(...entity.features.map(({ windowMs }) => windowMs));
  // By the hour itself: how far it is from the grid point at which it became visible is up to producers' clocks.
  const fromMs = plan.changesAfterMs - longestMs - gridMs;
  const reached = { hour: { min: new Date(fromMs).toISOString() } };
  await using rows = await scan(lake, tiles, { files: pruneFiles(tiles, reached) });
  const changes = { at: 'each', fromMs: plan.changesAfterMs, toMs } as const;
  await session.run(`create temp table made as ${martSql(entity, rows.sql, changes)}`);
  for (const baseMs of plan.basesMs) {
    await session.run(`
      insert into made by name
      select * from (${martSql(entity, rows.sql, { at: 'last', toMs: baseMs })}) as b
      where not exists (select 1 from made as m where m.${ENTITY_ID} = b.${ENTITY_ID} and m.as_of = b.as_of)`);
  }
}

/** Files of days before the first one kept. */
function expired({ base }: GridTarget, plan: MartPlan) {
  const cut = dateText(plan.heldFromMs);
  return [...base.files.values()].filter((file) => (file.partitionValues[AS_OF_DATE] ?? '') < cut);
}
