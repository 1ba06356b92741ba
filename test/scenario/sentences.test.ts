import type { Constraint } from '../../src/core/model/constraint.ts';
import { FakeAgent } from '../support/fake-agent.ts';
import { golden } from '../support/golden.ts';
import { grower, growing, needsMore } from '../support/growing-story.ts';
import { NO_REMEDIES } from '../support/options.ts';
import { type Story, startStory } from '../support/story.ts';

const told = ({ exporters }: Story) => exporters.events.map(({ reason, note }) => `${reason}: ${note}`);
const signalled = (story: Story) => () => story.agent.signals.length > 0;

golden('stories', async () => {
  const stories = [childrenKilled(), forecast({}), forecast({ limitMiB: 1024, heapLimitMiB: 259 })];
  const constraint = constrained();
  const recycles = [recycledTwice(), runsOn(), belowSupervisor(), notRecycled()];
  const lines = await Promise.all([...stories, constraint, ...recycles]);
  return lines.flat();
});

/** The kernel kills one child, then two that are named and many that are not. */
async function childrenKilled(): Promise<string[]> {
  const story = startStory({ options: NO_REMEDIES });
  const { agent } = story;
  agent.children = [{ pid: 11, name: 'chromium', rssBytes: 300 * 2 ** 20 }];
  await story.goes(2);
  agent.kills = 1;
  agent.children = [12, 13].map((pid) => ({ pid, name: 'tool', rssBytes: 20 * 2 ** 20 }));
  await story.goes(6);
  agent.kills = 13;
  agent.children = [];
  await story.goes(6);
  agent.kills = 14;
  await story.goes(6);
  return told(story);
}

async function forecast(limits: Partial<FakeAgent>): Promise<string[]> {
  const agent = Object.assign(new FakeAgent(), limits);
  const story = await startStory({ options: { recycle: 'off', profile: 'off' }, agent }).goes(20);
  await story.goes(20, () => {
    agent.liveMiB += 0.5;
  });
  return [...told(story), story.view.status().reason];
}

/** A constraint beside memory stays at its limit for as long as the agent may be un-ready. */
async function constrained(): Promise<string[]> {
  const helps: Constraint['helps'] = new Set(['shed']);
  const constraint: Constraint = {
    name: 'injected',
    used: 0.95,
    limit: 1,
    unit: 'ratio',
    source: '/r',
    helps,
  };
  const options = { recycle: 'off' } as const;
  const story = startStory({ options, constraints: [{ read: () => constraint }] });
  story.agent.inFlight = 3;
  await story.goes(65);
  return told(story);
}

async function recycledTwice(): Promise<string[]> {
  const { story } = await growing();
  for (const pid of [8, 9]) {
    const { agent } = story;
    story.restarts(new FakeAgent(pid));
    await grower(story, 5)(60, () => !agent.alive());
    await story.goes(15);
  }
  return story.notes('AgentRecycled');
}

async function runsOn(): Promise<string[]> {
  const { story, grow } = await growing({ options: { recycleGrace: 5000 } }, ({ agent }) => {
    agent.onSigterm = () => {};
  });
  await grow(60, signalled(story));
  const drained = story.view.status().reason;
  await story.goes(6);
  return [drained, ...story.notes('AgentRecycled'), story.view.status().reason];
}

async function belowSupervisor(): Promise<string[]> {
  const { story, grow } = await growing({}, ({ agent }) => {
    agent.onSigterm = () => {
      agent.served = true;
      agent.liveMiB = 60;
    };
  });
  story.sigtermTarget = () => 70;
  story.prepare = (client) => {
    client.sigterm = true;
  };
  story.agent.worker = { pid: 70, runtime: 'node' };
  await grow(60, signalled(story));
  await story.goes(5);
  return story.notes('AgentRecycled');
}

async function notRecycled(): Promise<string[]> {
  return (await needsMore()).notes('AgentStuck');
}
