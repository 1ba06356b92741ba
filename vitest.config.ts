import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts', 'test/scenario/**/*.test.ts'],
          testTimeout: 20_000,
        },
      },
      {
        // real cgroups, real OOM kills: one at a time, with time for a slow machine
        test: {
          name: 'kernel',
          include: ['test/kernel/**/*.test.ts'],
          globalSetup: 'test/support/stage.ts',
          testTimeout: 60_000,
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
          fileParallelism: false,
          pool: 'forks',
        },
      },
    ],
  },
});
