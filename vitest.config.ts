import { defineConfig } from 'vitest/config';

/** Shared machines stall for seconds now and then; what fails three times in a row is broken. */
const retry = process.env['CI'] ? 2 : 0;

/** A poll ends as soon as it holds; on a machine that others use, too, that may take a while. */
const expect = { poll: { timeout: 10_000 } };

/** Agents in their real runtimes, entered for real: Node, Python, JVM, Go. */
const RUNTIMES = [
  'test/unit/runtimes/{node,python,jvm,go}/!(parse-)*.test.ts',
  'test/unit/sources/inspector*.test.ts',
  'test/unit/commands/doctor-agent.test.ts',
];

/** What starts processes, waits for real time, or packs the package; tests in the tier `unit` are refused a process. */
const PROCESSES = [
  'test/unit/{agent,demo,exporters,injector,runtimes,sources,wrap}/!(parse-)*.test.ts',
  'test/unit/remedies/{drain,pre-kill-hook}.test.ts',
  'test/unit/sources/cgroup/*.test.ts',
  'test/unit/adapters/{admin-server,connections,http-server,kubernetes-client,listen}.test.ts',
  'test/unit/adapters/{logger,namespace-bounds,page,pidusage}.test.ts',
  'test/unit/adapters/{status-stream,webhook,webhook-server}.test.ts',
  'test/unit/config/file-pipe.test.ts',
  'test/unit/commands/{doctor,injector}.test.ts',
  'test/unit/{image-tool,package-files}.test.ts',
];

const FLOODS = ['test/robust/{flood,agents,outlets,requests,kubernetes-events}.test.ts'];

/** Releases of the chart in a real cluster. */
const RELEASES = ['test/cluster/{chart,doctor,policy,readme}.test.ts'];

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          // a fake clock or none: what fails once is broken, and a slow machine only takes longer
          name: 'unit',
          include: ['test/unit/**/*.test.ts', 'test/scenario/**/*.test.ts'],
          exclude: [...RUNTIMES, ...PROCESSES],
          setupFiles: 'test/support/no-processes.ts',
          testTimeout: 60_000,
          // nothing in them outlives a file: one set of modules does for all
          isolate: false,
          pool: 'threads',
          maxWorkers: 2,
        },
      },
      {
        // mostly waiting: more of them side by side than there are processors
        test: {
          name: 'process',
          expect,
          include: PROCESSES,
          exclude: RUNTIMES,
          testTimeout: 20_000,
          retry,
          maxWorkers: 3,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: { name: 'runtimes', expect, include: RUNTIMES, testTimeout: 20_000, retry },
      },
      {
        // real cgroups, real OOM kills: one at a time, with time for a slow machine
        test: {
          name: 'kernel',
          expect,
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
        // healthy agents in their real runtimes, each with a guardian: a minute each, and most of it is waiting
        test: {
          name: 'harm',
          include: ['test/harm/**/*.test.ts'],
          testTimeout: 240_000,
          maxConcurrency: 12,
          retry: retry && 1,
          fileParallelism: false,
          pool: 'forks',
        },
      },
      {
        // real Prometheus and Alertmanager around real guardians
        test: {
          name: 'alerts',
          include: ['test/alerts/**/*.test.ts'],
          testTimeout: 120_000,
          retry,
          fileParallelism: false,
          pool: 'forks',
        },
      },
      {
        // the chart, rendered by every helm that TEST_HELM names
        test: { name: 'chart', include: ['test/chart/**/*.test.ts'], testTimeout: 60_000, retry },
      },
      {
        // a real Kubernetes, the one that KUBECONFIG names; most of the time is waiting, so tests wait side by side
        test: {
          name: 'cluster',
          include: ['test/cluster/**/*.test.ts'],
          exclude: RELEASES,
          globalSetup: 'test/cluster/support/install.ts',
          testTimeout: 600_000,
          hookTimeout: 300_000,
          maxConcurrency: 8,
          retry: retry && 1,
          fileParallelism: false,
          isolate: false,
          pool: 'forks',
        },
      },
      {
        // the same Kubernetes, with releases of the chart that come and go: not beside the one that the tier above installs
        test: {
          name: 'cluster-chart',
          include: RELEASES,
          testTimeout: 180_000,
          hookTimeout: 180_000,
          maxConcurrency: 8,
          fileParallelism: false,
          retry: retry && 1,
        },
      },
      {
        // figures of a cluster, not assertions
        test: {
          name: 'cluster-bench',
          include: ['test/cluster/bench/*.bench.ts'],
          globalSetup: 'test/cluster/support/install.ts',
          testTimeout: 900_000,
          fileParallelism: false,
          pool: 'forks',
        },
      },
      {
        // the built command under abuse
        test: {
          name: 'robust',
          expect,
          include: ['test/robust/**/*.test.ts'],
          exclude: FLOODS,
          testTimeout: 60_000,
          retry,
          maxWorkers: 2,
          pool: 'forks',
        },
      },
      {
        // floods and timings want the machine for themselves
        test: {
          name: 'robust-floods',
          include: FLOODS,
          testTimeout: 60_000,
          retry,
          fileParallelism: false,
          sequence: { groupOrder: 1 },
          pool: 'forks',
        },
      },
      {
        // the image's archive, looked into and run without Kubernetes
        test: {
          name: 'image',
          include: ['test/image/**/*.test.ts'],
          testTimeout: 60_000,
          retry,
          hookTimeout: 60_000,
          fileParallelism: false,
          pool: 'forks',
        },
      },
      {
        // the built command's page in a real browser
        test: {
          name: 'browser',
          include: ['test/browser/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 30_000,
          retry,
          fileParallelism: false,
          pool: 'forks',
        },
      },
    ],
  },
});
