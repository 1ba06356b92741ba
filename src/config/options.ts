import { DEFAULT_JUDGEMENT } from '../core/pressure/judge.ts';
import { type Option, option } from './option.ts';
import {
  address,
  agentSelector,
  choice,
  duration,
  httpPaths,
  httpUrl,
  loopbackUrl,
  path,
  percentage,
  quantity,
  ratio,
  token,
} from './types.ts';

const GUARDING = ['guard', 'run', 'config'] as const;
const ALL = ['guard', 'run', 'doctor', 'config'] as const;

/** The one table of options: flags, environment, file, JSON schema and the README follow from it. */
export const OPTIONS = {
  listen: option({
    type: address,
    default: { host: '::', port: 9797 },
    placeholder: 'address',
    description:
      'Address of probes, metrics and status; `[::]` is every address, IPv6 and IPv4, `0.0.0.0` IPv4 alone; port 0 picks a free one',
    commands: GUARDING,
  }),
  adminListen: option({
    type: address,
    default: { host: '127.0.0.1', port: 9798 },
    placeholder: 'address',
    description: 'Address of the admin endpoint (`POST`); any address but loopback needs `admin-token`',
    commands: ALL,
  }),
  adminToken: option({
    type: token,
    default: undefined,
    unset: 'none',
    placeholder: 'token',
    description:
      'Secret of requests to `admin-listen` (`Authorization: Bearer …`); set it in the environment, as other users can read command lines',
    commands: ALL,
  }),
  warnRatio: option({
    type: ratio(0.01, 1),
    default: DEFAULT_JUDGEMENT.warnRatio,
    placeholder: 'ratio',
    description: 'Share of the limit at which the level becomes warning',
    commands: GUARDING,
  }),
  shedRatio: option({
    type: ratio(0.01, 1),
    default: DEFAULT_JUDGEMENT.shedRatio,
    placeholder: 'ratio',
    description: 'Share of the limit at which the level becomes shedding and readiness answers 503',
    commands: GUARDING,
  }),
  criticalRatio: option({
    type: ratio(0.01, 1),
    default: DEFAULT_JUDGEMENT.criticalRatio,
    placeholder: 'ratio',
    description: 'Share of the limit at which the level becomes critical',
    commands: GUARDING,
  }),
  recoverMargin: option({
    type: ratio(0, 0.5),
    default: DEFAULT_JUDGEMENT.recoverMargin,
    placeholder: 'ratio',
    description: 'Hysteresis: a level ends when the ratio is below its threshold minus this margin',
    commands: GUARDING,
  }),
  hold: option({
    type: duration('0s', '1h'),
    default: DEFAULT_JUDGEMENT.hold,
    placeholder: 'duration',
    description: 'Shortest time in a level',
    commands: GUARDING,
  }),
  agent: option({
    type: agentSelector,
    default: { kind: 'auto' },
    placeholder: 'selector',
    description:
      'Process to guard: `auto` (the other container), `container:NAME` (as in the pod), `pid:N`, or `match:TEXT` (in its command line)',
    commands: ['guard', 'doctor', 'config'],
  }),
  limit: option({
    type: quantity('1Mi'),
    default: undefined,
    unset: 'from the kernel',
    placeholder: 'quantity',
    description: 'Memory limit to guard against: overrides the kernel’s, or sets one where there is none',
    commands: ALL,
  }),
  downwardLimit: option({
    type: quantity('1Mi'),
    default: undefined,
    unset: 'none',
    placeholder: 'quantity',
    description: 'Memory limit of the container by the downward API; used when its cgroup cannot be read',
    commands: ALL,
  }),
  podRestartPolicy: option({
    type: choice('Always', 'OnFailure', 'Never'),
    default: undefined,
    unset: 'not known',
    placeholder: 'policy',
    description: 'Restart policy of the agent’s pod: without restarts no recycle; set by the injector',
    commands: ['guard', 'doctor', 'config'],
  }),
  sampleMin: option({
    type: duration('1ms', '1s'),
    default: 5,
    placeholder: 'duration',
    description: 'Shortest time between two readings, used near the limit',
    commands: GUARDING,
  }),
  sampleMax: option({
    type: duration('1ms', '10s'),
    default: 1000,
    placeholder: 'duration',
    description: 'Longest time between two readings, used far from the limit',
    commands: GUARDING,
  }),
  gc: option({
    type: choice('auto', 'on-shared-host', 'inspect-only', 'off'),
    default: 'auto',
    placeholder: 'mode',
    description:
      'Garbage collection in the agent; `on-shared-host` opens its inspector also where other users of the machine or node could reach it, `inspect-only` sends no SIGUSR1 and uses only an open inspector',
    commands: ALL,
  }),
  gcStallBudget: option({
    type: percentage('0%', '100%'),
    default: 0.1,
    placeholder: 'percentage',
    description: 'Largest share of wall time for GC pauses of the agent, in any minute',
    commands: GUARDING,
  }),
  profile: option({
    type: choice('auto', 'off'),
    default: 'auto',
    placeholder: 'mode',
    description: 'Sampling heap profile from the warning level on: names the code that grows',
    commands: ALL,
  }),
  hook: option({
    type: choice('auto', 'off'),
    default: 'auto',
    placeholder: 'mode',
    description:
      'Hook in Node agents, by which the guardian collects, profiles and counts requests in flight without a port and without SIGUSR1; put in place by `run` and by the injector',
    commands: ALL,
  }),
  gate: option({
    type: choice('auto', 'off'),
    default: 'auto',
    placeholder: 'mode',
    description:
      'Gate in the hook: requests of the agent’s HTTP servers start as memory has room for them, wait in order until then for up to 10 s, and are answered 503 after that',
    commands: ALL,
  }),
  gateExempt: option({
    type: httpPaths,
    default: undefined,
    unset: 'none',
    placeholder: 'paths',
    description:
      'Paths whose `GET` and `HEAD` requests the gate never holds back, beside the customary ones of health checks and metrics, separated by commas',
    commands: ALL,
  }),
  hookDir: option({
    type: path,
    default: undefined,
    unset: 'none; a private directory in `run`',
    placeholder: 'directory',
    description: 'Directory of the hook’s file and socket, which the agent sees, too; set by the injector',
    commands: ALL,
  }),
  maxUnready: option({
    type: duration('1s', '24h'),
    default: DEFAULT_JUDGEMENT.maxUnready,
    placeholder: 'duration',
    description: 'Longest continuous time un-ready while usage does not fall; then ready again',
    commands: GUARDING,
  }),
  replicas: option({
    type: choice('auto', 'one', 'many'),
    default: 'auto',
    placeholder: 'mode',
    description:
      'Whether another replica could take what the agent refuses; with `one`, shedding that frees nothing begins at `critical-ratio`; `auto`: `many`, with `run` outside of Kubernetes `one`',
    commands: GUARDING,
  }),
  recycle: option({
    type: choice('auto', 'on', 'off'),
    default: 'auto',
    placeholder: 'mode',
    description:
      'Graceful restart of the agent before a foreseen OOM kill; `auto`: only with a restart policy, and without a SIGTERM handler only while nothing is in flight',
    commands: ALL,
  }),
  recycleGrace: option({
    type: duration('1s', '1h'),
    default: 30_000,
    placeholder: 'duration',
    description: 'Time for the agent to exit after SIGTERM; after it the agent is left running, un-ready',
    commands: GUARDING,
  }),
  restart: option({
    type: choice('no', 'on-failure', 'always'),
    default: 'no',
    placeholder: 'policy',
    description: 'Restart policy of `run` for its command',
    commands: ['run', 'doctor', 'config'],
  }),
  recordDir: option({
    type: path,
    default: undefined,
    unset: 'none',
    placeholder: 'directory',
    description: 'Directory that keeps a JSON report of each death, the last 10',
    commands: ALL,
  }),
  onBlind: option({
    type: choice('ready', 'unready'),
    default: DEFAULT_JUDGEMENT.onBlind,
    placeholder: 'answer',
    description: 'Readiness while there is no valid reading',
    commands: GUARDING,
  }),
  events: option({
    type: choice('auto', 'on', 'off'),
    default: 'auto',
    placeholder: 'mode',
    description: 'Kubernetes Events on the pod; `auto`: in a cluster, when there is a token',
    commands: ALL,
  }),
  webhookUrl: option({
    type: httpUrl,
    default: undefined,
    unset: 'none',
    placeholder: 'url',
    description: 'URL that receives each event as JSON',
    commands: GUARDING,
  }),
  webhookUrlFile: option({
    type: path,
    default: undefined,
    unset: 'none',
    placeholder: 'file',
    description: 'File with that URL, read for each event: keeps its secret out of manifests and environment',
    commands: GUARDING,
  }),
  injectedRatioFile: option({
    type: path,
    default: undefined,
    unset: 'none',
    placeholder: 'file',
    description: 'File with a number from 0 to 1: one more constraint, for game days; none without the file',
    commands: GUARDING,
  }),
  preKillHook: option({
    type: loopbackUrl,
    default: undefined,
    unset: 'none',
    placeholder: 'url',
    description:
      'URL on loopback that receives one POST with status, forecast and deadline when the kill is foreseen, within 2 s, once in each episode',
    commands: GUARDING,
  }),
  logLevel: option({
    type: choice('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'),
    default: 'info',
    placeholder: 'level',
    description: 'Lowest severity of log lines',
    commands: GUARDING,
  }),
  logFormat: option({
    type: choice('json', 'pretty'),
    default: undefined,
    unset: '`json`, `pretty` on a terminal',
    placeholder: 'format',
    description: 'Format of the log lines on standard error',
    commands: GUARDING,
  }),
};

export type OptionKey = keyof typeof OPTIONS;

/** The configuration in base units: ratios 0…1, times in milliseconds, memory in bytes. */
export type Config = {
  -readonly [K in OptionKey]: (typeof OPTIONS)[K] extends Option<infer T> ? T : never;
};

/** Every row with its key, in the order of the table. */
export const OPTION_LIST = Object.entries(OPTIONS) as readonly (readonly [OptionKey, Option])[];
