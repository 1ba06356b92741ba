import { defineConfig } from 'vitest/config';

/** Shared machines stall for seconds now and then; what fails three times in a row is broken. */
const retry = process.env['CI'] ? 2 : 0;

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts', 'test/scenario/**/*.test.ts'],
          testTimeout: 20_000,
          retry,
        },
      },
      {
        // real cgroups, real OOM kills: one at a time, with time for a slow machine
        test: {
          name: 'kernel',
          include: ['test/kernel/**/*.test.ts'],
          globalSetup: 'test/support/stage.ts',
          testTimeout: 60_000,
          retry,
          hookTimeout: 30_000,
          fileParallelism: false,
          pool: 'forks',
        },
      },
      {
        // the built command under abuse; floods and timings want the machine for themselves
        test: {
          name: 'robust',
          include: ['test/robust/**/*.test.ts'],
          testTimeout: 60_000,
          retry,
          fileParallelism: false,
          pool: 'forks',
        },
      },
    ],
  },
});
