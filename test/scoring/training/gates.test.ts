import { expect, test } from 'vitest';
import {
  type DataFacts,
  type Gate,
  gateArtefact,
  gateData,
  gateFloor,
  gateParity,
} from '../../../scoring/training/gates.ts';

/** The reasons of the checks that did not pass. */
function failures(gate: Gate): string[] {
  const reasons = gate.checks.filter(({ passed }) => !passed).map(({ reason }) => reason);
  expect(gate.passed).toBe(reasons.length === 0);
  return reasons;
}

test('G0 wants equal bytes of a second training, and a name for everything it came from', () => {
  const facts = { onnxHash: 'aaa', retrainedHash: 'aaa', lineage: { release: '7' } };
  expect(failures(gateArtefact(facts))).toEqual([]);
  expect(failures(gateArtefact({ ...facts, retrainedHash: 'bbb' }))).toEqual([
    'a second training gives other bytes (bbb, not aaa)',
  ]);
  expect(failures(gateArtefact({ ...facts, lineage: { release: undefined, extract: '' } }))).toEqual([
    'its release is not known',
    'its extract is not known',
  ]);
});

test('G1 wants 10,000 rows with edges, a difference within 1e-5 and no other label', () => {
  const report = { rows: 10_000, edgeRows: 1, maxDifference: 1e-5, labelDifferences: 0 };
  expect(failures(gateParity(report))).toEqual([]);
  expect(failures(gateParity({ ...report, rows: 9_999 }))[0]).toContain('9999 rows compared');
  expect(failures(gateParity({ ...report, edgeRows: 0 }))[0]).toContain('0 of them on the edges');
  expect(failures(gateParity({ ...report, maxDifference: 1.1e-5 }))[0]).toContain('1.1e-5');
  expect(failures(gateParity({ ...report, labelDifferences: 1 }))[0]).toContain('differs in 1 rows');
});

const data: DataFacts = {
  lastKnownAtMs: 10,
  cutoffMs: 10,
  firstValidationMs: 11,
  averagePrecision: 0.5,
  rocAuc: 0.97,
  strengths: [
    { feature: 'speed', averagePrecision: 0.4 },
    { feature: 'size', averagePrecision: 0.1 },
  ],
  prevalence: 0.01,
  shuffle: { averagePrecision: 0.01, chanceLimit: 0.01 },
};

test('G2 passes on the very limits', () => {
  expect(failures(gateData(data))).toEqual([]);
});

test.each<[string, Partial<DataFacts>, string]>([
  ['a class known after the cutoff', { lastKnownAtMs: 11 }, 'the last class to be learnt was known at'],
  ['a cutoff within validation', { firstValidationMs: 10 }, 'validation begins at 1970-01-01T00:00:00.010Z'],
  ['an AUC too good', { rocAuc: 0.971 }, 'ROC-AUC 0.971'],
  [
    'a feature that does the work alone, by name',
    { strengths: [{ feature: 'canary', averagePrecision: 0.41 }] },
    'canary alone reaches AP 0.410: more than 80 %',
  ],
  [
    'shuffled classes above chance',
    { shuffle: { averagePrecision: 0.02, chanceLimit: 0.015 } },
    'with shuffled classes AP is 0.020',
  ],
])('G2 stops %s', (_, change, reason) => {
  expect(failures(gateData({ ...data, ...change }))).toEqual([expect.stringContaining(reason)]);
});

const gain = { gain: 0.05, lower: 0.01, upper: 0.09, resamples: 300, entities: 40 };
const floor = {
  gains: { rules: gain },
  recallAt1PercentFpr: 0.6,
  alerts: {
    alerts: 10,
    alertRate: 0.1,
    precision: 0.5,
    recall: 0.5,
    perClass: [{ name: 'burst', support: 30, recall: 0.4 }],
  },
  floors: { recallAt1PercentFpr: 0.6, perClass: { burst: 0.4 }, minSupport: 30 },
};

test('G3 wants a lower bound above 0 against every baseline, and no recall below its floor', () => {
  expect(failures(gateFloor(floor))).toEqual([]);
  expect(failures(gateFloor({ ...floor, gains: { rules: gain, logistic: { ...gain, lower: 0 } } }))).toEqual([
    'AP against logistic: +0.050 [+0.000, +0.090] over 300 resamples of 40 entities (the lower bound must be above 0)',
  ]);
  expect(failures(gateFloor({ ...floor, recallAt1PercentFpr: 0.59 }))[0]).toContain('recall at 1 %');
  const strict = { ...floor.floors, perClass: { burst: 0.41, unheard: 0.1 } };
  expect(failures(gateFloor({ ...floor, floors: strict }))).toEqual([
    'burst: recall 0.400 of 30 within the alert budget (at least 0.41)',
    'no class is called unheard, but it has a floor',
  ]);
});

test('a class with few rows is named and not judged', () => {
  const gate = gateFloor({ ...floor, floors: { ...floor.floors, perClass: { burst: 0.9 }, minSupport: 31 } });
  expect(failures(gate)).toEqual([]);
  expect(gate.checks.at(-1)?.reason).toBe('burst: 30 rows are too few to judge (31)');
});
