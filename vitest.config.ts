import { defineConfig } from 'vitest/config';
import { createTotalsReporter } from './test/support/totalsReporter.ts';

/** `unit`: no service, part of `make check`. `live`: against real services that the set-up brings. */
export default defineConfig({
  test: {
    reporters: ['default', createTotalsReporter()],
    maxWorkers: 2,
    // kafkajs computes a time-out of the past when it is idle.
    execArgv: ['--disable-warning=TimeoutNegativeWarning'],
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/**/*.live.test.ts'],
          testTimeout: 30_000,
          // Files share their modules: ours hold no state, and loading DuckDB anew costs more than most tests.
          isolate: false,
        },
      },
      {
        test: {
          name: 'live',
          include: ['test/**/*.live.test.ts'],
          globalSetup: ['test/support/liveServices.ts'],
          testTimeout: 180_000,
          hookTimeout: 180_000,
        },
      },
    ],
  },
});
