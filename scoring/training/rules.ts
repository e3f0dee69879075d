import { columnOf, positivesOf, type RowSet } from './rowSet.ts';

/** One threshold on one feature; a missing value meets no rule. */
export interface Rule {
  readonly feature: string;
  readonly operator: '>=' | '<';
  readonly threshold: number;
  /** Training rows that met it and no rule before it, and the positives among them. */
  readonly rows: number;
  readonly positives: number;
}

/** A baseline that a person could have written: rules in order, the first that a row meets decides. */
export interface RuleList {
  readonly rules: readonly Rule[];
  /** Share of positives among the rows that meet no rule. */
  readonly otherwise: number;
}

/**
 * Finds rules greedily: the one with the highest FOIL gain (positives caught × bits of precision won) on the
 * rows that no rule has caught yet, at most `maxRules`. Thresholds are quantiles of all rows and of the
 * positive rows. No randomness. Pure.
 */
export function findRules(set: RowSet, maxRules = 10): RuleList {
  const columns = set.featureNames.map((_, feature) => binned(set, feature));
  const open = { rows: new Uint8Array(set.classes.length).fill(1), positives: positivesOf(set) };
  const rules: Rule[] = [];
  let rest = countOpen(open);
  while (rules.length < maxRules) {
    const best = bestRule(set.featureNames, columns, open);
    if (best === undefined) break;
    rules.push(best.rule);
    best.column.bins.forEach((bin, row) => {
      if (meets(bin, best.cut, best.rule.operator)) open.rows[row] = 0;
    });
    rest = countOpen(open);
  }
  return { rules, otherwise: smoothed(rest) };
}

/** For each row the training precision (smoothed) of the first rule that it meets. Pure. */
export function scoreByRules({ rules, otherwise }: RuleList, set: RowSet): Float64Array {
  const scores = new Float64Array(set.classes.length).fill(otherwise);
  for (const rule of rules.toReversed()) {
    columnOf(set, set.featureNames.indexOf(rule.feature)).forEach((value, row) => {
      const met = rule.operator === '>=' ? value >= rule.threshold : value < rule.threshold;
      if (met) scores[row] = smoothed(rule);
    });
  }
  return scores;
}

// === Helpers ===

const [QUANTILES, MISSING, MIN_POSITIVES] = [32, 255, 5];

/** How many of the (rising) cuts are ≤ the value of each row. */
interface Binned {
  readonly cuts: readonly number[];
  readonly bins: Uint8Array;
}

interface OpenRows {
  readonly rows: Uint8Array;
  readonly positives: Uint8Array;
}

interface Counts {
  readonly rows: number;
  readonly positives: number;
}

function binned(set: RowSet, feature: number): Binned {
  const column = columnOf(set, feature);
  const ofPositives = column.filter((_, row) => set.classes[row] !== 0);
  const cuts = [...new Set([...quantilesOf(column), ...quantilesOf(ofPositives)])].toSorted((a, b) => a - b);
  return { cuts, bins: Uint8Array.from(column, (value) => binOf(cuts, value)) };
}

function quantilesOf(column: Float32Array): number[] {
  const sorted = column.filter((value) => !Number.isNaN(value)).toSorted();
  if (sorted.length === 0) return [];
  return Array.from(
    { length: QUANTILES },
    (_, i) => sorted[Math.floor((i * sorted.length) / QUANTILES)] ?? 0,
  );
}

function binOf(cuts: readonly number[], value: number): number {
  if (Number.isNaN(value)) return MISSING;
  const above = cuts.findIndex((cut) => cut > value);
  return above === -1 ? cuts.length : above;
}

function meets(bin: number, cut: number, operator: Rule['operator']): boolean {
  if (bin === MISSING) return false;
  return operator === '>=' ? bin > cut : bin <= cut;
}

function bestRule(names: readonly string[], columns: readonly Binned[], open: OpenRows) {
  const all = countOpen(open);
  let best: { rule: Rule; column: Binned; cut: number } | undefined;
  let bestGain = 0;
  columns.forEach((column, index) => {
    for (const { cut, operator, counts } of candidatesOf(column, open)) {
      const gain = foilGain(counts, all);
      if (gain <= bestGain) continue;
      const rule = { feature: names[index] ?? '', operator, threshold: column.cuts[cut] ?? 0, ...counts };
      [best, bestGain] = [{ rule, column, cut }, gain];
    }
  });
  return best;
}

/** Every cut in both directions, with its counts from one pass over the rows. */
function candidatesOf(column: Binned, open: OpenRows) {
  const [rows, positives] = [
    new Uint32Array(column.cuts.length + 1),
    new Uint32Array(column.cuts.length + 1),
  ];
  column.bins.forEach((bin, row) => {
    if (bin === MISSING || open.rows[row] !== 1) return;
    rows[bin] = (rows[bin] ?? 0) + 1;
    positives[bin] = (positives[bin] ?? 0) + (open.positives[row] ?? 0);
  });
  const sum = (counts: Uint32Array, from: number, to: number) =>
    counts.subarray(from, to).reduce((all, count) => all + count, 0);
  return column.cuts.flatMap((_, cut) => [
    {
      cut,
      operator: '<' as const,
      counts: { rows: sum(rows, 0, cut + 1), positives: sum(positives, 0, cut + 1) },
    },
    {
      cut,
      operator: '>=' as const,
      counts: { rows: sum(rows, cut + 1, Infinity), positives: sum(positives, cut + 1, Infinity) },
    },
  ]);
}

function foilGain(counts: Counts, all: Counts): number {
  if (counts.positives < MIN_POSITIVES) return 0;
  return counts.positives * (Math.log2(counts.positives / counts.rows) - Math.log2(all.positives / all.rows));
}

function countOpen(open: OpenRows): Counts {
  let [rows, positives] = [0, 0];
  open.rows.forEach((isOpen, row) => {
    rows += isOpen;
    positives += isOpen * (open.positives[row] ?? 0);
  });
  return { rows, positives };
}

function smoothed({ rows, positives }: Counts): number {
  return (positives + 1) / (rows + 2);
}
