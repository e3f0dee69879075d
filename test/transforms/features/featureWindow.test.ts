import { expect, test } from 'vitest';
import { createRing, push } from '../../../transforms/featureRing.ts';
import { compileAggregate, compileReach, createPicked } from '../../../transforms/featureWindow.ts';

const [TIME, VALUE] = [0, 1];

/** Distinct values among `values`, which came a millisecond apart into a ring that holds 100. */
function distinctOf(values: readonly number[]): number {
  const picked = createPicked(100);
  const ring = createRing({ width: 2, maxRecords: 100 });
  for (const [i, value] of values.entries()) {
    const at = push(ring, Number.NEGATIVE_INFINITY);
    ring.values.set([i, value], at);
  }
  const row = Float64Array.of(values.length);
  compileReach(1_000, picked)(ring, row, values.length);
  return compileAggregate('distinct', {
    picked,
    column: VALUE,
    timeSlot: TIME,
    sums: { high: 0, low: 0, n: 0 },
  })(row, ring);
}

test.each([0, 1, 2, 22, 23, 24, 25, 26, 99, 100])(
  '%i distinct values are counted, repeated ones once',
  (n) => {
    const values = Array.from({ length: 100 }, (_, i) => (n === 0 ? Number.NaN : (i * 7) % n));
    expect(distinctOf(values)).toBe(new Set(values.filter((value) => !Number.isNaN(value))).size);
    expect(distinctOf(values)).toBe(n);
  },
);

test('what was counted before is forgotten', () => {
  const picked = createPicked(100);
  const count = compileAggregate('distinct', {
    picked,
    column: VALUE,
    timeSlot: TIME,
    sums: { high: 0, low: 0, n: 0 },
  });
  const ring = createRing({ width: 2, maxRecords: 100 });
  for (let i = 0; i < 60; i += 1) {
    const at = push(ring, Number.NEGATIVE_INFINITY);
    ring.values.set([i, i], at);
  }
  const select = (windowMs: number) => compileReach(windowMs, picked)(ring, Float64Array.of(59), 59);
  const found = [59, 4, 40, 0].map((windowMs) => {
    select(windowMs);
    return count(Float64Array.of(59), ring);
  });
  expect(found).toEqual([60, 5, 41, 1]);
});
