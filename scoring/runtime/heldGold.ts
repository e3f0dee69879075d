import type { TopicTimes } from '../../infra/core/kafka.ts';
import type { Lake } from '../../lakehouse/lake.ts';
import type { FeatureSettings } from '../../transforms/feature.ts';
import type { GoldEntity } from '../../transforms/goldEntity.ts';
import type { GoldView } from '../../transforms/goldView.ts';
import { type GoldMarts, openGoldMarts } from '../../transforms/grid/goldMarts.ts';
import type { SourcePlan } from './takeUp.ts';

/**
 * Gold values from the grid point of the first undecided record on. One view for as long as the process
 * lives: an assignment that goes further back loads the marts anew behind it.
 */
export class HeldGold {
  readonly view: GoldView;
  readonly #parts: HeldGoldParts;
  #marts: GoldMarts | undefined;
  #fromMs = Number.POSITIVE_INFINITY;

  constructor(parts: HeldGoldParts) {
    this.#parts = parts;
    const marts = () => this.#marts;
    this.view = {
      read: (entity, id, asOfMs, target) => {
        const held = marts();
        if (held === undefined) throw new Error('gold values are asked for before they are held');
        return held.view.read(entity, id, asOfMs, target);
      },
      get closedToMs() {
        return marts()?.view.closedToMs ?? Number.NEGATIVE_INFINITY;
      },
    };
  }

  /** Bytes in memory. */
  get bytes(): number {
    return this.#marts?.bytes ?? 0;
  }

  /** Holds what records that arrive from `arrivedMs` on ask for, if they are not too late. */
  async holdFrom(arrivedMs: number): Promise<void> {
    const fromMs = this.#asOf(arrivedMs);
    if (fromMs >= this.#fromMs) return;
    const { lake, entities } = this.#parts;
    this.#marts = await openGoldMarts(lake, entities, { heldFromMs: fromMs });
    this.#fromMs = fromMs;
  }

  /**
   * Takes over a newer release. `arrivedMs`: all records that arrived before are decided. A lake that cannot be
   * read changes nothing: what is held goes on, and the statuses say how old it gets.
   */
  async refresh(arrivedMs: number | undefined): Promise<void> {
    if (arrivedMs !== undefined) this.#fromMs = Math.max(this.#fromMs, this.#asOf(arrivedMs));
    try {
      await this.#marts?.refresh(this.#fromMs);
    } catch (error) {
      this.#parts.lake.log.error(
        { err: error },
        'newer gold values cannot be read; those that are held go on',
      );
    }
  }

  #asOf(arrivedMs: number): number {
    const { latenessMs, graceMs, gridMs } = this.#parts.settings;
    return arrivedMs - latenessMs - graceMs - gridMs;
  }
}

export interface HeldGoldParts {
  readonly lake: Lake;
  readonly entities: readonly GoldEntity[];
  readonly settings: FeatureSettings;
}

/**
 * A time at or before the arrival of every record that is to be decided, by Kafka's index of times: the newest
 * of a few. −∞ when it is none of them.
 */
export async function undecidedSince(
  reader: TopicTimes,
  planned: readonly SourcePlan[],
  nowMs: number,
): Promise<number> {
  if (planned.some(({ plans }) => plans.some(({ bronze }) => bronze.from < bronze.to)))
    return Number.NEGATIVE_INFINITY;
  for (const backMs of LOOK_BACK_MS) {
    const sinceMs = nowMs - backMs;
    const isBefore = await Promise.all(planned.map((one) => isDecidedBefore(reader, one, sinceMs)));
    if (isBefore.every(Boolean)) return sinceMs;
  }
  return Number.NEGATIVE_INFINITY;
}

// === Helpers ===

const HOUR_MS = 3_600_000;
const LOOK_BACK_MS = [0, 1, 6, 24, 72].map((hours) => (hours + 0.1) * HOUR_MS);

/** Whether all records that arrived before are decided. */
async function isDecidedBefore(
  reader: TopicTimes,
  { source, plans }: SourcePlan,
  sinceMs: number,
): Promise<boolean> {
  if (plans.length === 0) return true;
  const offsets = await reader.offsetsAt(source.contract.topic, sinceMs);
  return plans.every(
    ({ place, position }) => (offsets.get(place.partition) ?? Number.POSITIVE_INFINITY) <= position,
  );
}
