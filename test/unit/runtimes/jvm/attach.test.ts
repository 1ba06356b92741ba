import { afterEach, expect, it } from 'vitest';
import { createJvmClient } from '../../../../src/runtimes/jvm/client.ts';
import { type FakeTree, fakeTree } from '../../../support/fake-cgroup.ts';
import { procFiles } from '../../../support/fake-proc.ts';

let tree: FakeTree | undefined;
afterEach(() => tree?.remove());

it('tries once where the agent has no /tmp for the socket, and says so', async () => {
  const pid = 30;
  const ids = [process.geteuid?.() ?? 0, process.getegid?.() ?? 0];
  const [uid, gid] = ids.map((id) => [id, id, id, id].join('\t'));
  tree = fakeTree({
    ...procFiles([{ pid, comm: 'java', args: ['java', '-jar', 'agent.jar'] }]),
    [`proc/${pid}/status`]: `Name:\tjava\nUid:\t${uid}\nGid:\t${gid}\nNSpid:\t${pid}\n`,
    [`proc/${pid}/maps`]: '7f00-7f01 r-xp 00000000 00:00 1 /jdk/lib/server/libjvm.so\n',
  });
  let tries = 0;
  const maySignal = () => ++tries > 0;
  const client = createJvmClient({ procRoot: `${tree.root}/proc`, pid, maySignal });
  await expect(client.facts()).rejects.toMatchObject({
    code: 'refused',
    message: 'the agent has no /tmp for the socket of its JVM',
    retryable: false,
  });
  expect(tries).toBe(1);
});
