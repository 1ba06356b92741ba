import { join } from 'node:path';
import { CALM, HIGH, type Kind, type Programs, THIRD, TOOLS, tool } from './kinds.ts';

/** High and flat: live memory, a fifth of it in objects. */
const FULL = { buffers: 285, heap: 90 };
/** A burst that comes to rest, below the shed ratio. */
const SETTLED = { buffers: 280, listen: 'http', grow: { after: 12, by: 125, over: 2.4, keep: true } };
const THE_THIRD = { buffers: 185 };
const ENDS = (...signals: string[]) => ({
  on: Object.fromEntries(signals.map((signal) => [signal, 'exit'])),
});

/** What a plan says: `agents/node.mjs`. */
type Plan = Record<string, unknown>;
type More = Partial<Kind>;

/** Agents in Node: each version, each state; what logs, catches or is signalled; what starts it; how work comes in. */
export function nodeKinds({ agent, compiled }: Programs): Kind[] {
  const nodeOf = (major: number) => tool(`node${major}/bin/node`);
  const program = (plan: Plan) => [agent('node.mjs'), JSON.stringify(plan)];
  const js = (major: number, plan: Plan, ...flags: string[]) => [nodeOf(major), ...flags, ...program(plan)];
  const kind = (name: string, rests: Kind['rests'], command: string[], more: More = {}): Kind => ({
    ...{ name, command, rests },
    ...more,
  });
  const sidecar = { how: 'guard' } as const;
  const answers = { clients: 'stream' } as const;

  return [
    kind('Node 18 at rest', CALM, js(18, { listen: 'http' })),
    kind('Node 18, high and flat', HIGH, js(18, { ...FULL, buffers: 260 })),
    kind('Node 20, busy', CALM, js(20, { busy: true, heap: 40 })),
    kind('Node 20, high and flat, busy', HIGH, js(20, { ...FULL, busy: true })),
    kind('Node 20, high and flat, beside a sidecar', HIGH, js(20, FULL), sidecar),
    kind('Node 20, a burst that rests, beside a sidecar', HIGH, js(20, SETTLED), { ...sidecar, ...answers }),
    kind('Node 22, a third in Buffers', THIRD, js(22, THE_THIRD)),
    kind('Node 22, a burst that rests, an answer in work', HIGH, js(22, SETTLED), answers),
    kind(
      'Node 24, a third in Buffers, busy, beside a sidecar',
      THIRD,
      js(24, { ...THE_THIRD, busy: true }),
      sidecar,
    ),
    kind(
      'Node 24, a burst of 1.5 s below shedding',
      [0.35, 0.83],
      js(24, { buffers: 200, grow: { after: 10, by: 170, over: 1.5 } }),
    ),
    kind('Node 26 at rest', THIRD, js(26, { ...THE_THIRD, listen: 'http' })),
    kind('Node 26, high and flat', HIGH, js(26, FULL)),
    kind('a large live heap', HIGH, js(22, { buffers: 250, heap: 900 }, '--max-old-space-size=1300'), {
      limitMiB: 1536,
    }),

    kind('logs objects', [0.3, 0.55], js(20, { ...THE_THIRD, log: 'objects' })),
    kind('logs strings', [0.3, 0.55], js(24, { ...THE_THIRD, log: 'strings' })),
    kind('ends on SIGUSR1 by a handler of its own', THIRD, js(20, { ...THE_THIRD, ...ENDS('SIGUSR1') })),
    kind('ends on SIGUSR1, high and flat', HIGH, js(24, { ...FULL, ...ENDS('SIGUSR1') }), sidecar),
    kind('catches SIGTERM, a burst that rests', HIGH, js(20, { ...SETTLED, ...ENDS('SIGTERM') }), {
      ...sidecar,
      ...answers,
    }),
    kind('snapshots on SIGUSR1', THIRD, js(22, THE_THIRD, '--heapsnapshot-signal=SIGUSR1')),
    kind('snapshots on SIGUSR2, high and flat', HIGH, js(20, FULL, '--heapsnapshot-signal=SIGUSR2')),
    kind('reports on SIGUSR1', THIRD, js(20, THE_THIRD, '--report-on-signal', '--report-signal=SIGUSR1')),
    kind('without SIGUSR1', HIGH, js(24, FULL, '--disable-sigusr1')),
    kind('NODE_OPTIONS in quotes', THIRD, js(20, THE_THIRD), {
      env: { NODE_OPTIONS: '--title="my agent" "--heapsnapshot-signal=SIGUSR1"' },
    }),
    kind('with its inspector open', THIRD, js(20, THE_THIRD, '--inspect=127.0.0.1:9230'), { ports: [9230] }),
    kind('samples its own heap, high and flat', HIGH, js(22, { ...FULL, profile: true })),
    kind('SES lockdown', THIRD, [nodeOf(20), agent('ses.mjs'), JSON.stringify(THE_THIRD)], {
      env: { HARM_TOOLS: TOOLS },
    }),

    kind('cluster of three alike', [0.4, 0.7], js(20, { workers: { cluster: 3 }, buffers: 85, busy: true }), {
      limitMiB: 768,
    }),
    kind('worker threads', [0.4, 0.7], js(22, { workers: { threads: 3 }, buffers: 60, busy: true })),
    kind('pm2-runtime', THIRD, [
      nodeOf(20),
      tool('pm2/bin/pm2-runtime'),
      agent('node.mjs'),
      '--',
      JSON.stringify({ buffers: 150 }),
    ]),
    kind('nodemon', THIRD, [nodeOf(20), tool('nodemon/bin/nodemon.js'), ...program({ buffers: 165 })]),
    kind('tini', HIGH, ['tini', '--', ...js(20, { ...FULL, ...ENDS('SIGTERM') })], sidecar),
    kind('dumb-init', THIRD, ['dumb-init', ...js(22, THE_THIRD)]),
    kind('npm start', THIRD, [
      'npm',
      '--prefix',
      agent('npm'),
      'start',
      '--',
      JSON.stringify({ buffers: 165 }),
    ]),
    kind('sh -c', THIRD, ['sh', '-c', '"$@"; true', 'sh', ...js(26, THE_THIRD)]),
    kind('Node by another name', HIGH, [join(compiled, 'agent'), ...program(FULL)], sidecar),
    kind('Chromium below it', [0.2, 0.7], js(20, { buffers: 200, browser: true }), { limitMiB: 1024 }),
    kind('a tool of 100 MiB that comes and goes', [0.4, 0.84], js(20, { buffers: 240, tool: 100 })),

    kind(
      'queue worker, no socket, a burst that rests',
      HIGH,
      js(20, { ...SETTLED, listen: '', ...ENDS('SIGTERM') }),
      sidecar,
    ),
    kind(
      'Unix socket, high and flat',
      HIGH,
      js(22, { ...FULL, listen: 'unix', ...ENDS('SIGTERM') }),
      sidecar,
    ),
    kind('Express under steady load', [0.05, 0.6], [process.execPath, agent('express.mjs')], {
      clients: 'steady',
    }),
    kind('page cache of twice the limit', [0.1, 0.6], js(20, { buffers: 40, files: 512 }), { limitMiB: 256 }),
    kind('files in memory', THIRD, js(22, { tmpfs: 190, buffers: 10 })),
  ];
}
