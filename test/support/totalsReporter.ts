import type { Reporter, TestModule } from 'vitest/node';

/** The last line of a test run, alone: `12 passed, 0 failed, 0 skipped`. For machines and tired eyes. */
export function createTotalsReporter(print: (line: string) => void = console.log): Reporter {
  return {
    onTestRunEnd: (modules: readonly TestModule[], errors: readonly unknown[]) => {
      // Other reporters print at the same event; the totals come after all of them.
      process.once('exit', () => {
        for (const name of skippedTests(modules)) print(`skipped: ${name}`);
        print(totalsLine(modules, errors.length));
      });
    },
  };
}

/** Full names of the tests that did not run: nothing is left out in silence. Pure. */
export function skippedTests(modules: readonly TestModule[]): string[] {
  const tests = modules.flatMap((module) => [...module.children.allTests()]);
  return tests.filter((test) => test.result().state === 'skipped').map((test) => test.fullName);
}

/** Counts tests; a file that could not run, and an error outside all tests, count as failed. Pure. */
export function totalsLine(modules: readonly TestModule[], strayErrors: number): string {
  const totals = { passed: 0, failed: strayErrors, skipped: 0 };
  for (const module of modules) {
    const states = [...module.children.allTests()].map((test) => test.result().state);
    for (const state of states) totals[state === 'pending' ? 'failed' : state] += 1;
    if (module.state() === 'failed' && !states.includes('failed')) totals.failed += 1;
  }
  return `${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`;
}
