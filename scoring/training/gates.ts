import type { AlertReport } from './alertBudget.ts';
import type { PairedGain } from './bootstrap.ts';
import type { FeatureStrength, ShuffleCheck } from './leaks.ts';
import { PARITY_MIN_ROWS, type ParityReport } from './parity.ts';

/** One thing that a gate asks, and the answer in words. */
export interface Check {
  readonly passed: boolean;
  readonly reason: string;
}

export const GATE_NAMES = ['G0 artefact', 'G1 parity', 'G2 data', 'G3 floor', 'G4 champion'] as const;
export type GateName = (typeof GATE_NAMES)[number];

/** A gate passes when all of its checks do. */
export interface Gate {
  readonly name: GateName;
  readonly passed: boolean;
  readonly checks: readonly Check[];
}

/** G0: it is known what the model was made from, and making it again gives the same bytes. Pure. */
export function gateArtefact(facts: {
  /** SHA-256 of the ONNX file, and of a second training's. */
  readonly onnxHash: string;
  readonly retrainedHash: string;
  /** What must be named: release, extract, features. Undefined or empty: not known. */
  readonly lineage: Readonly<Record<string, string | undefined>>;
}): Gate {
  const same = facts.onnxHash === facts.retrainedHash;
  return gate('G0 artefact', [
    {
      passed: same,
      reason: same
        ? `a second training gives the same bytes (sha256 ${facts.onnxHash.slice(0, 12)})`
        : `a second training gives other bytes (${facts.retrainedHash.slice(0, 12)}, not ${facts.onnxHash.slice(0, 12)})`,
    },
    ...Object.entries(facts.lineage).map(([name, value = '']) => ({
      passed: value !== '',
      reason: value === '' ? `its ${name} is not known` : `${name}: ${value}`,
    })),
  ]);
}

/** G1: the ONNX file says what libxgboost says. Pure. */
export function gateParity(report: ParityReport): Gate {
  const { rows, edgeRows, maxDifference, labelDifferences } = report;
  return gate('G1 parity', [
    {
      passed: rows >= PARITY_MIN_ROWS && edgeRows > 0,
      reason: `${rows} rows compared, ${edgeRows} of them on the edges of splits (at least ${PARITY_MIN_ROWS}, and some)`,
    },
    {
      passed: maxDifference <= MAX_PARITY_DIFFERENCE,
      reason: `the largest difference of a probability is ${maxDifference.toExponential(1)} (at most ${MAX_PARITY_DIFFERENCE})`,
    },
    {
      passed: labelDifferences === 0,
      reason: `the most probable class differs in ${labelDifferences} rows (in none)`,
    },
  ]);
}

/** What G4 asks of a candidate that would follow a champion. */
export interface ChampionFacts {
  readonly champion: string;
  readonly gain: PairedGain;
  readonly positives: number;
  /** Trained like the champion, on the same features: it need only not be worse. */
  readonly isRefresh: boolean;
}

/** G4: on the same events better than the champion beyond chance, or a refresh that is not worse. Pure. */
export function gateChampion({ champion, gain, positives, isRefresh }: ChampionFacts): Gate {
  const least = isRefresh ? -MAX_REFRESH_LOSS : 0;
  return gate('G4 champion', [
    {
      passed: positives >= MIN_POSITIVES,
      reason: `${positives} positives to compare on (at least ${MIN_POSITIVES})`,
    },
    {
      passed: gain.lower > least,
      reason: `AP against the champion ${champion}: ${signed(gain.gain)} [${signed(gain.lower)}, ${signed(gain.upper)}] over ${gain.resamples} resamples of ${gain.entities} entities (the lower bound must be above ${least}${isRefresh ? ', a refresh of the same features' : ''})`,
    },
  ]);
}

/** G4 when the champion cannot be measured on these events. Pure. */
export function gateIncomparable(champion: string, why: string): Gate {
  return gate('G4 champion', [
    { passed: false, reason: `it cannot be compared with the champion ${champion}: ${why}` },
  ]);
}

/** What G2 judges; times in ms since 1970 UTC. */
export interface DataFacts {
  /** The latest time at which a class of the rows that were learnt from was known. */
  readonly lastKnownAtMs: number;
  readonly cutoffMs: number;
  readonly firstValidationMs: number;
  readonly averagePrecision: number;
  readonly rocAuc: number;
  readonly strengths: readonly FeatureStrength[];
  readonly prevalence: number;
  readonly shuffle: ShuffleCheck;
}

/** G2: nothing was learnt that was not known, and nothing looks like a leak. Pure. */
export function gateData(facts: DataFacts): Gate {
  return gate('G2 data', [
    knownInTime(facts),
    {
      passed: facts.rocAuc <= MAX_AUC,
      reason: `ROC-AUC ${share(facts.rocAuc)} (above ${MAX_AUC} a leak is likelier than a good model)`,
    },
    noFeatureWinsAlone(facts),
    {
      passed: facts.shuffle.averagePrecision <= facts.shuffle.chanceLimit,
      reason: `with shuffled classes AP is ${share(facts.shuffle.averagePrecision)}, prevalence ${share(facts.prevalence)}, chance reaches ${share(facts.shuffle.chanceLimit)}`,
    },
  ]);
}

/** Least recalls, as shares; a class is judged from `minSupport` validation rows on. */
export interface Floors {
  readonly recallAt1PercentFpr: number;
  /** By class name, at the first alert budget. */
  readonly perClass: Readonly<Record<string, number>>;
  readonly minSupport: number;
}

/** G3: better than each baseline beyond chance, and not below the floors. Pure. */
export function gateFloor(facts: {
  readonly gains: Readonly<Record<string, PairedGain>>;
  readonly recallAt1PercentFpr: number;
  readonly alerts: AlertReport;
  readonly floors: Floors;
}): Gate {
  const { floors } = facts;
  return gate('G3 floor', [
    ...Object.entries(facts.gains).map(([baseline, gain]) => beatsBaseline(baseline, gain)),
    {
      passed: facts.recallAt1PercentFpr >= floors.recallAt1PercentFpr,
      reason: `recall at 1 % false positives is ${share(facts.recallAt1PercentFpr)} (at least ${floors.recallAt1PercentFpr})`,
    },
    {
      // A threshold above all scores would approve everything.
      passed: facts.alerts.alerts > 0,
      reason: `${facts.alerts.alerts} alerts at the threshold for the alert budget (some)`,
    },
    ...Object.entries(floors.perClass).map(([name, floor]) =>
      classAboveFloor(name, floor, floors.minSupport, facts.alerts),
    ),
  ]);
}

// === Helpers ===

const MAX_PARITY_DIFFERENCE = 1e-5;
const MAX_AUC = 0.97;
const MAX_FEATURE_SHARE = 0.8;
const [MIN_POSITIVES, MAX_REFRESH_LOSS] = [200, 0.01];

function gate(name: Gate['name'], checks: readonly Check[]): Gate {
  return { name, passed: checks.every(({ passed }) => passed), checks };
}

function knownInTime({ lastKnownAtMs, cutoffMs, firstValidationMs }: DataFacts): Check {
  return {
    passed: lastKnownAtMs <= cutoffMs && cutoffMs < firstValidationMs,
    reason: `the last class to be learnt was known at ${iso(lastKnownAtMs)}, the cutoff is ${iso(cutoffMs)}, validation begins at ${iso(firstValidationMs)} (in this order)`,
  };
}

function noFeatureWinsAlone({ strengths, averagePrecision }: DataFacts): Check {
  const limit = MAX_FEATURE_SHARE * averagePrecision;
  const tooStrong = strengths.filter((strength) => strength.averagePrecision > limit);
  const strongest = strengths[0];
  return {
    passed: tooStrong.length === 0,
    reason:
      tooStrong.length === 0
        ? `the strongest feature alone, ${strongest?.feature}, reaches AP ${share(strongest?.averagePrecision ?? 0)} of the model's ${share(averagePrecision)} (at most 80 % of it)`
        : `${tooStrong.map((s) => `${s.feature} alone reaches AP ${share(s.averagePrecision)}`).join(', ')}: more than 80 % of the model's ${share(averagePrecision)}`,
  };
}

function beatsBaseline(baseline: string, { gain, lower, upper, resamples, entities }: PairedGain): Check {
  return {
    passed: lower > 0,
    reason: `AP against ${baseline}: ${signed(gain)} [${signed(lower)}, ${signed(upper)}] over ${resamples} resamples of ${entities} entities (the lower bound must be above 0)`,
  };
}

function classAboveFloor(name: string, floor: number, minSupport: number, alerts: AlertReport): Check {
  const found = alerts.perClass.find((entry) => entry.name === name);
  if (found === undefined) return { passed: false, reason: `no class is called ${name}, but it has a floor` };
  if (found.support < minSupport) {
    return { passed: true, reason: `${name}: ${found.support} rows are too few to judge (${minSupport})` };
  }
  return {
    passed: found.recall >= floor,
    reason: `${name}: recall ${share(found.recall)} of ${found.support} within the alert budget (at least ${floor})`,
  };
}

function share(value: number): string {
  return value.toFixed(3);
}

function signed(value: number): string {
  return `${value < 0 ? '' : '+'}${value.toFixed(3)}`;
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
