import { describe, expect, test } from 'vitest';
import { decisions } from '../../ingestion/contracts/decisions.ts';
import { REASON_CODES } from '../../scoring/decision.ts';
import { outcomeOf } from '../../scoring/outcome.ts';
import { decodeStatuses, reasonOfStatuses, STATUS_LETTERS } from '../../scoring/vectorStatus.ts';
import { policy } from './deciding.ts';

const POLICY = { mediumFrom: 0.25 };
const THRESHOLDS = { review: 0.4, decline: 0.8 };

describe('outcome', () => {
  test.each([
    [0, 'approve', 'low'],
    [0.0999, 'approve', 'low'],
    [0.1, 'approve', 'medium'],
    [0.3999, 'approve', 'medium'],
    [0.4, 'review', 'high'],
    [0.7999, 'review', 'high'],
    [0.8, 'decline', 'critical'],
    [1, 'decline', 'critical'],
  ])('%f: %s, %s', (p, decision, risk_tier) => {
    expect(outcomeOf(p, THRESHOLDS, POLICY)).toEqual({ decision, risk_tier });
  });

  test('without a threshold for declines nothing is declined', () => {
    expect(outcomeOf(1, { review: 0.4, decline: null }, POLICY).decision).toBe('review');
  });

  test('a threshold for declines below that for reviews holds', () => {
    expect(outcomeOf(0.5, { review: 0.6, decline: 0.45 }, POLICY).decision).toBe('decline');
  });

  test.each([
    [Number.NaN, THRESHOLDS],
    [0.1, { review: Number.NaN, decline: null }],
    [Number.NaN, { review: Number.NaN, decline: Number.NaN }],
  ])('what is no number is a review: %f with %o', (p, thresholds) => {
    expect(outcomeOf(p, thresholds, POLICY).decision).toBe('review');
  });
});

describe('statuses', () => {
  test('each has a letter of its own, and comes back from it', () => {
    const letters = Object.values(STATUS_LETTERS);
    expect(new Set(letters).size).toBe(letters.length);
    expect(decodeStatuses(letters.join(''))).toEqual(Object.keys(STATUS_LETTERS));
    expect(decodeStatuses('P?')).toBeUndefined();
  });

  test.each([
    ['P', undefined],
    ['PPNP', undefined],
    ['PPSP', undefined],
    ['PPSO', 'OUTSIDE_MAX_AGE'],
    ['POHP', 'NOT_HELD'],
    ['PMMM', 'GOLD_MISSING'],
    ['LMHO', 'TOO_LATE'],
    ['', 'FEATURES_NOT_COMPUTABLE'],
    ['PX', 'FEATURES_NOT_COMPUTABLE'],
  ])('%s: %s', (letters, reason) => {
    expect(reasonOfStatuses(letters, policy.onStatus)).toBe(reason);
  });

  test('a policy may score what is late, never what has no marts', () => {
    const lenient = {
      TOO_LATE: 'score',
      STALE: 'score',
      OUTSIDE_MAX_AGE: 'score',
      NOT_HELD: 'score',
    } as const;
    expect(reasonOfStatuses('LOHS', lenient)).toBeUndefined();
    expect(reasonOfStatuses('LOHM', lenient)).toBe('GOLD_MISSING');
  });

  test('a policy that lost a line lets nothing through', () => {
    expect(reasonOfStatuses('PO', {} as typeof policy.onStatus)).toBe('OUTSIDE_MAX_AGE');
  });

  test('the contract describes the letters', () => {
    const doc = decisions.fields.find(({ name }) => name === 'statuses')?.doc ?? '';
    for (const [status, letter] of Object.entries(STATUS_LETTERS))
      expect(doc).toContain(`${letter} ${status}`);
    const codes = decisions.fields.find(({ name }) => name === 'reason_code')?.doc ?? '';
    for (const code of REASON_CODES) expect(codes).toContain(code);
  });
});
