import { asOfMs } from './feature.ts';
import { compileText, type FeatureRecord } from './featureInputs.ts';
import type { FeatureSet } from './featureSet.ts';
import type { GoldEntity } from './goldEntity.ts';
import type { GoldStatus, GoldView } from './goldView.ts';

export interface GoldStatusOf {
  readonly entity: string;
  readonly status: GoldStatus;
}

export interface GoldReading {
  /** Of the entities that the set has features of, in the content's order; the objects stay, their status changes. */
  readonly statuses: readonly GoldStatusOf[];
  /** How far the marts lag behind the event's grid point, in seconds: 0 when they do not, ∞ when nothing is closed. */
  readonly ageS: number;
}

export interface GoldReader extends GoldReading {
  /** Fills the gold features of `row`. hot path */
  read(record: FeatureRecord, row: Float64Array): void;
}

/**
 * Reads the gold values of an event at its grid point. An event that names no entity has missing values,
 * counts too: it is not known that there are none. Pure but for the view.
 */
export function createGoldReader(set: FeatureSet, view: GoldView | undefined): GoldReader {
  const uses = set.gold.flatMap((entity, index) => useOf(set, entity, index));
  let ageS = 0;
  return {
    // hot path
    read: (record, row) => {
      if (uses.length === 0) return;
      const atMs = asOfMs(set.settings, record.eventTimeMs);
      ageS = view === undefined ? Number.POSITIVE_INFINITY : Math.max(0, (atMs - view.closedToMs) / 1_000);
      for (const use of uses) {
        use.status = view === undefined ? 'NOT_HELD' : valuesInto(use, { view, record, atMs });
        if (view === undefined) use.values.fill(Number.NaN);
        place(use, row, record.eventTimeMs);
      }
    },
    statuses: uses,
    get ageS() {
      return ageS;
    },
  };
}

// === Helpers ===

interface Use extends GoldStatusOf {
  status: GoldStatus;
  readonly index: number;
  readonly idOf: (record: FeatureRecord) => string | undefined;
  /** The entity's mart columns. */
  readonly values: Float64Array;
  readonly target: { readonly row: Float64Array; readonly at: number };
  /** Features of the set: where in the mart, where in the row. */
  readonly places: readonly { readonly from: number; readonly to: number; readonly isAge: boolean }[];
}

function useOf(set: FeatureSet, entity: GoldEntity, index: number): Use[] {
  const places = entity.features.flatMap(({ entry: { name }, isAge }, from) => {
    const to = set.slots.get(name);
    return to === undefined ? [] : [{ from, to, isAge }];
  });
  if (places.length === 0) return [];
  const values = new Float64Array(entity.features.length);
  const input = set.inputs.find(({ name }) => name === entity.idInput)?.input;
  const idOf = input === undefined ? ({ key }: FeatureRecord) => key : compileText(input);
  const target = { row: values, at: 0 };
  return [{ entity: entity.name, status: 'NOT_HELD', index, idOf, values, target, places }];
}

/** hot path */
function valuesInto(
  { index, idOf, values, target }: Use,
  { view, record, atMs }: { readonly view: GoldView; readonly record: FeatureRecord; readonly atMs: number },
): GoldStatus {
  const id = idOf(record);
  const status = view.read(index, id, atMs, target);
  if (id === undefined) values.fill(Number.NaN);
  return status;
}

/** hot path */
function place({ values, places }: Use, row: Float64Array, timeMs: number): void {
  for (const { from, to, isAge } of places) {
    const value = values[from] as number;
    row[to] = isAge ? (timeMs - value) / 1_000 : value;
  }
}
