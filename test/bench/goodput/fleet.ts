import { createServer } from 'node:net';
import { launch, type Running, type Setting } from '../support/programs.ts';
import type { Target } from './balancer.ts';
import { CONTENDERS, type ContenderName } from './contenders.ts';
import { type Group, makeGroups } from './groups.ts';
import type { Load } from './load.ts';
import { type Replica, startReplica } from './replica.ts';

/** The replicas of a load, each with its guard and in groups of its own. */
export interface Fleet {
  replicas: readonly Replica[];
  targets: readonly Target[];
  stop(): Promise<void>;
}

export interface FleetOptions {
  setting: Pick<Setting, 'nodes' | 'dist'>;
  load: Load;
  contender: ContenderName;
  world: string;
}

/** @throws Error when no cgroup can be made */
export async function startFleet({ setting, load, contender, world }: FleetOptions): Promise<Fleet> {
  const [node = process.execPath] = setting.nodes;
  const limitBytes = load.limitMiB * 2 ** 20;
  const groups = makeGroups();
  const replicas: Replica[] = [];
  const guards: Running[] = [];
  const targets: Target[] = [];
  for (let i = 0; i < load.replicas; i++) {
    const [guardPort, agentPort] = [await freePort(), await freePort()];
    let made: Group | undefined;
    const group = () => {
      made ??= groups.make(`agent-${i}`, limitBytes);
      return made;
    };
    const facts = { node, dist: setting.dist, load, guardPort, agentPort, world, group };
    const { command, insideGroup, beside, probeUrls } = CONTENDERS[contender](facts);
    if (beside) {
      const own = beside.limitBytes && groups.make(`guard-${i}`, beside.limitBytes);
      const [file = '', ...args] = beside.command;
      guards.push(launch(file, args, own ? procs(own.directory) : undefined));
    }
    replicas.push(startReplica(command, limitBytes, insideGroup ? procs(group().directory) : undefined));
    targets.push({ agentPort, probeUrls });
  }
  return {
    replicas,
    targets,
    async stop() {
      await Promise.all(replicas.map((replica) => replica.stop()));
      await Promise.all(guards.map((guard) => guard.end()));
      await groups.remove();
    },
  };
}

const procs = (directory: string) => `${directory}/cgroup.procs`;

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}
