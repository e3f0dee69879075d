/** Names that the writer and the reader of tiles and marts share. */

export const ENTITY_ID = 'entity_id';

/** Partition column of marts: the UTC date of `as_of`. */
export const AS_OF_DATE = 'as_of_date';

/** Partition column of tiles: the UTC date of `visible_from`. */
export const VISIBLE_DATE = 'visible_date';

/** The txn of a table of the grid: complete up to this grid point. Pure. */
export function gridAppId(table: string): string {
  return `grid:${table}`;
}

/** The txn of a mart: the first grid point from which on it has every entity's row. Pure. */
export function heldFromAppId(table: string): string {
  return `grid:from:${table}`;
}

/** The UTC date of a time in milliseconds, as partition values spell it. Pure. */
export function dateText(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}
