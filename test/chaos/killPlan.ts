import type { Rng } from '../../ingestion/simulator/prng.ts';

/** How one life of a process ends: at the n-th passing of a crash point, or some time after its start. */
export type Death =
  | { readonly kind: 'point'; readonly spec: string }
  | { readonly kind: 'random'; readonly afterMs: number };

/** Crash points around each effect of landing, and those of the work of `jobs`. */
export const INGEST_POINTS = [
  'after-fetch',
  'before-data-put',
  'after-data-put',
  'before-commit-put',
  'after-commit-put',
  'after-lake-commit',
  'before-dlq-send',
  'after-dlq-send',
  'after-offset-commit',
];

export const JOBS_POINTS = [
  'before-data-put',
  'after-data-put',
  'before-model-commit',
  'after-commit-put',
  'after-model-commit',
  'before-release',
  'before-release-put',
  'after-release-put',
  'after-release',
];

/** Around each effect of scoring. */
export const SCORE_POINTS = [
  'before-starts',
  'after-starts',
  'after-restore',
  'before-inference',
  'after-inference',
  'during-produce',
  'after-produce',
  'after-ack',
];

/** Points of a start, which come only once. */
const ONCE = new Set(['before-starts', 'after-starts', 'after-restore']);

/** Each point once, `randomKills` random ones among them, in an order drawn from the seed. Pure. */
export function planKills(points: readonly string[], randomKills: number, rng: Rng): Death[] {
  const deaths: Death[] = points.map((name) => ({
    kind: 'point',
    spec: `${name}:${ONCE.has(name) ? 1 : rng.int(1, 3)}`,
  }));
  for (let n = 0; n < randomKills; n += 1) {
    deaths.push({ kind: 'random', afterMs: rng.int(300, 5_000) });
  }
  return deaths
    .map((death) => ({ death, order: rng.int(0, 1_000_000) }))
    .toSorted((a, b) => a.order - b.order)
    .map(({ death }) => death);
}
