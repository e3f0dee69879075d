import { expect, test } from 'vitest';
import {
  budgetOf,
  entityPrecisionAt,
  reportAlerts,
  thresholdForBudget,
} from '../../../scoring/training/alertBudget.ts';
import type { RowSet } from '../../../scoring/training/rowSet.ts';
import { pickRows, worldOf } from './synthetic.ts';

function rowsOf(rows: readonly { entity: string; classIndex: number }[]): RowSet {
  const world = pickRows(worldOf({ rows: rows.length, seed: 1 }), [...rows.keys()]);
  return {
    ...world,
    classes: Uint8Array.from(rows, ({ classIndex }) => classIndex),
    entities: rows.map(({ entity }) => entity),
  };
}

test('a threshold takes as many rows as the budget allows, and equal scores together or not at all', () => {
  const scores = Float64Array.of(0.9, 0.5, 0.5, 0.5, 0.1);
  expect(thresholdForBudget(scores, 4)).toEqual({ threshold: 0.5, alerts: 4 });
  expect(thresholdForBudget(scores, 3)).toEqual({ threshold: 0.9, alerts: 1 });
  expect(thresholdForBudget(scores, 0)).toEqual({ threshold: Number.POSITIVE_INFINITY, alerts: 0 });
});

test('a budget a day is scaled to the time that the rows span', () => {
  const set = worldOf({ rows: 5, seed: 1 });
  expect(budgetOf(set, 100)).toBe(80); // five rows, a fifth of a day apart, span 4/5 of a day
});

test('recall is told for each class with its support', () => {
  const set = rowsOf([0, 1, 1, 2, 0].map((classIndex) => ({ entity: 'e', classIndex })));
  const report = reportAlerts(set, Float64Array.of(0.9, 0.8, 0.2, 0.7, 0.1), 0.7);
  expect(report).toMatchObject({ alerts: 3, alertRate: 0.6, precision: 2 / 3, recall: 2 / 3 });
  expect(report.perClass).toEqual([
    { name: 'burst', support: 2, recall: 0.5 },
    { name: 'gap', support: 1, recall: 1 },
  ]);
});

test('an entity that was found on an earlier day does not count again', () => {
  const rows = [
    { entity: 'found', classIndex: 1, day: 0, score: 0.9 },
    { entity: 'missed', classIndex: 1, day: 0, score: 0.1 },
    { entity: 'found', classIndex: 1, day: 1, score: 0.9 },
    { entity: 'missed', classIndex: 1, day: 1, score: 0.2 },
    { entity: 'other', classIndex: 0, day: 1, score: 0.1 },
  ];
  const scores = Float64Array.from(rows, ({ score }) => score);
  const days = rows.map(({ day }) => day);
  // Day 0 finds `found`; on day 1 it is left out, so `missed` comes first.
  expect(entityPrecisionAt(1, rowsOf(rows), scores, days)).toBe(1);
  expect(entityPrecisionAt(2, rowsOf(rows), scores, days)).toBe(0.5);
});
