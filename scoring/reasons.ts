import type { LoadedModel } from './loadedModel.ts';

/**
 * What spoke for fraud in one row of the model's input, most first: `<feature> = 12.4 (+1.31)`, the
 * number in parentheses in units of the margin (log odds) of the likeliest fraud against regular. Pure.
 */
export function reasonsFor(
  model: Pick<LoadedModel, 'card' | 'explainer'>,
  row: { readonly values: Float32Array; readonly probabilities: Float32Array },
  maxReasons: number,
): string[] {
  const contributions = model.explainer.contributions(row.values, likeliestFraud(row.probabilities));
  return [...contributions.keys()]
    .filter((feature) => (contributions[feature] as number) > LEAST)
    .toSorted((a, b) => (contributions[b] as number) - (contributions[a] as number))
    .slice(0, maxReasons)
    .map((feature) => {
      const name = model.card.features[feature]?.name;
      const by = (contributions[feature] as number).toFixed(2);
      return `${name} = ${shortNumber(row.values[feature] as number)} (+${by})`;
    });
}

// === Helpers ===

/** What would be shown as +0.00. */
const LEAST = 0.005;

function likeliestFraud(probabilities: Float32Array): number {
  let best = 1;
  for (let i = 2; i < probabilities.length; i += 1) {
    if ((probabilities[i] as number) > (probabilities[best] as number)) best = i;
  }
  return best;
}

/** Whole numbers as they are, others with three digits. */
function shortNumber(value: number): string {
  if (Number.isNaN(value)) return 'missing';
  return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(3)));
}
