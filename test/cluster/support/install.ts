import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { TestProject } from 'vitest/node';
import { IMAGE } from './environment.ts';

const run = promisify(execFile);
/** Another than the project's own: a packed one, say. */
const CHART = process.env['TEST_CHART'] ?? 'helm/spillway';
const RELEASE = ['spillway', '--namespace', 'spillway-system'];

declare module 'vitest' {
  interface ProvidedContext {
    /** Why there is nothing to test on; empty where there is. */
    clusterLacks: string;
  }
}

/** One install for all tests of a run: `helm install`, as users do it. */
export default async function install(project: TestProject): Promise<(() => Promise<void>) | undefined> {
  const lacks = await missing();
  project.provide('clusterLacks', lacks);
  if (lacks !== '') return undefined;
  const [, repository = '', tag = ''] = IMAGE.match(/^(.*):([^:/]+)$/) ?? [];
  await run('helm', [
    ...['install', ...RELEASE, CHART, '--create-namespace', '--wait', '--timeout', '5m'],
    ...[
      '--set',
      `image.repository=${repository}`,
      '--set',
      `image.tag=${tag}`,
      '--set',
      'image.pullPolicy=IfNotPresent',
    ],
    ...['--set', 'rbac.allNamespaces=true'],
  ]);
  return async () => {
    await run('helm', ['uninstall', ...RELEASE, '--wait', '--timeout', '2m']);
    await run('kubectl', ['delete', 'namespace', 'spillway-system', '--timeout=2m']);
  };
}

async function missing(): Promise<string> {
  if (!process.env['KUBECONFIG']) return 'KUBECONFIG names no cluster';
  try {
    await run('kubectl', ['version', '--request-timeout=20s']);
    return '';
  } catch (error) {
    return `the cluster of KUBECONFIG does not answer: ${error instanceof Error ? error.message : error}`;
  }
}
