import { defineConfig } from 'vitest/config';

/** Shared machines stall for seconds now and then; what fails three times in a row is broken. */
const retry = process.env['CI'] ? 2 : 0;

/** Agents in their real runtimes, entered for real: Node, Python, JVM, Go. */
const RUNTIMES = [
  'test/unit/actions/node/**/*.test.ts',
  'test/unit/actions/{node,python,jvm,go}-*.test.ts',
  'test/unit/sources/inspector*.test.ts',
  'test/unit/commands/doctor-agent.test.ts',
];

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts', 'test/scenario/**/*.test.ts'],
          exclude: RUNTIMES,
          testTimeout: 20_000,
          retry,
        },
      },
      {
        test: { name: 'runtimes', include: RUNTIMES, testTimeout: 20_000, retry },
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
