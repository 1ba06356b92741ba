import { execFile, spawn } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, it, onTestFinished } from 'vitest';
import type { Status } from '../../src/core/model/status.ts';
import { codeBlocks, ROOT, readDocument, sectionOf } from '../support/readme.ts';
import { IMAGE, TOOLS_IMAGE } from './support/environment.ts';

/*
 * "Kubernetes" of the README and the look at the agent of the chart's, line by line, for somebody who has a namespace `agents` under
 * Pod Security `restricted` with a Deployment `my-agent` in it that knows nothing of Spillway.
 */

const missing = process.env['KUBECONFIG'] === undefined ? 'KUBECONFIG names no cluster' : '';
const execute = promisify(execFile);
const run = async (line: string) =>
  (await execute('bash', ['-euc', line], { cwd: ROOT, timeout: 180_000, maxBuffer: 2 ** 26 })).stdout;

/** The commands of a section's block, without the comments at their ends. */
function commands(path: string, section: string, block: number): string[] {
  const at = IMAGE.lastIndexOf(':');
  return (codeBlocks(sectionOf(readDocument(path), section), 'sh')[block] ?? '')
    .trim()
    .split(/(?<!\\)\n/)
    .map((line) => line.replace(/ +# .*$/, ''))
    .map((line) =>
      line.replace('registry.example/spillway', IMAGE.slice(0, at)).replace('0.1.0', IMAGE.slice(at + 1)),
    );
}

const PROGRAM =
  "process.on('SIGTERM', () => process.exit()); require('http').createServer((_, answer) => answer.end('hello')).listen(8080)";
const AGENT = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'my-agent', namespace: 'agents' },
  spec: {
    selector: { matchLabels: { app: 'my-agent' } },
    template: {
      metadata: { labels: { app: 'my-agent' } },
      spec: {
        securityContext: {
          runAsNonRoot: true,
          runAsUser: 1000,
          runAsGroup: 1000,
          seccompProfile: { type: 'RuntimeDefault' },
        },
        containers: [
          {
            name: 'agent',
            image: TOOLS_IMAGE,
            command: ['node', '-e', PROGRAM],
            readinessProbe: { httpGet: { path: '/', port: 8080 }, periodSeconds: 2 },
            resources: { limits: { memory: '128Mi' } },
            securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
          },
        ],
      },
    },
  },
};

it.skipIf(missing)(
  `the README's way onto Kubernetes ends with a guarded agent${missing && ` (skipped: ${missing})`}`,
  async () => {
    const [install = '', check = '', label = '', ...more] = commands('README.md', 'Kubernetes', 0);
    const [wait = '', describe = '', forward = '', exec = '', ...others] = commands(
      'helm/spillway/README.md',
      'Install',
      2,
    );
    expect([...more, ...others]).toEqual([]);
    onTestFinished(async () => {
      await run('helm uninstall spillway --namespace spillway-system --ignore-not-found --wait');
      await run('kubectl delete namespace agents spillway-system --ignore-not-found');
    });
    await run('kubectl create namespace agents');
    await run('kubectl label namespace agents pod-security.kubernetes.io/enforce=restricted');
    await run(`kubectl apply -f - <<'END'\n${JSON.stringify(AGENT)}\nEND`);
    await run('kubectl -n agents rollout status deployment my-agent --timeout=60s');

    await run(install);
    await run(check);
    await run(label);
    expect(await run(wait)).toContain('successfully rolled out');
    await expect.poll(() => run(describe), { timeout: 30_000 }).toMatch(/spillway:\n(.*\n)*.*my-agent/);
    expect(await run(exec)).toContain('Spillway can guard this agent.');

    const tunnel = spawn('bash', ['-c', `exec ${forward}`], { stdio: 'ignore' });
    onTestFinished(() => void tunnel.kill());
    const page = () => fetch('http://localhost:9797/').then((answer) => answer.text());
    await expect.poll(() => page().catch(String), { timeout: 30_000, interval: 500 }).toContain('<title>');
    const status = (await (await fetch('http://localhost:9797/v1/status')).json()) as Status;
    expect(status).toMatchObject({ level: 'ok', limitBytes: 128 * 2 ** 20, agent: { runtime: 'node' } });
    expect(status.limitSource).toMatch(/^cgroup-/);
  },
  300_000,
);
