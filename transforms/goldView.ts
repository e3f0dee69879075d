/**
 * `PRESENT`: closed up to the event's grid point. `NOT_FOUND`: so, and all windows of the entity are empty.
 * `STALE`: an older grid point serves, within the maximum age. `OUTSIDE_MAX_AGE`: older than that, missing.
 * `NOT_HELD`: no row as old as the event's grid point is held, missing.
 */
export type GoldStatus = 'PRESENT' | 'NOT_FOUND' | 'STALE' | 'OUTSIDE_MAX_AGE' | 'NOT_HELD';

/** Gold values as a scorer holds them in memory, or a test makes them up. */
export interface GoldView {
  /**
   * Values of one entity at a grid point, in the order of the entity's mart columns, into `row` from
   * `at` on. Missing is NaN; of nothing, counts and sums are 0. `entity`: its index in `goldEntitiesOf`;
   * `id` undefined: the event names none; nothing is found, its values are missing. A column of an age holds
   * a time in ms, or NaN. hot path
   */
  read(
    entity: number,
    id: string | undefined,
    asOfMs: number,
    target: { readonly row: Float64Array; readonly at: number },
  ): GoldStatus;
  /** Marts are complete up to this grid point, ms since 1970 UTC; −∞ before the first. */
  readonly closedToMs: number;
}
