import { expect, test } from 'vitest';
import type { TestModule } from 'vitest/node';
import { skippedTests, totalsLine } from '../support/totalsReporter.ts';

function module(state: 'passed' | 'failed', tests: readonly string[]): TestModule {
  const results = tests.map((result) => ({ fullName: `a ${result} one`, result: () => ({ state: result }) }));
  return { state: () => state, children: { allTests: () => results } } as unknown as TestModule;
}

test('the totals count tests of all files', () => {
  const modules = [module('passed', ['passed', 'skipped']), module('failed', ['passed', 'failed'])];
  expect(totalsLine(modules, 0)).toBe('2 passed, 1 failed, 1 skipped');
  expect(skippedTests(modules)).toEqual(['a skipped one']);
});

test('a file that could not be loaded, a test that never ended and a stray error are failures', () => {
  expect(totalsLine([module('failed', [])], 0)).toBe('0 passed, 1 failed, 0 skipped');
  expect(totalsLine([module('passed', ['pending'])], 0)).toBe('0 passed, 1 failed, 0 skipped');
  expect(totalsLine([module('passed', ['passed'])], 1)).toBe('1 passed, 1 failed, 0 skipped');
});
