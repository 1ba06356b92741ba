import { FakeAgent } from './fake-agent.ts';
import { type Story, type StorySetup, startStory } from './story.ts';

/** An agent whose live memory grows by so many MiB a second, from 300 of 512, 20 s after it was found. */
export async function growing(
  { mibPerSecond = 5, ...setup }: StorySetup & { mibPerSecond?: number } = {},
  prepare: (story: Story) => void = () => {},
) {
  const story = startStory(setup);
  prepare(story);
  await story.goes(20);
  return { story, grow: grower(story, mibPerSecond) };
}

/** Goes on for so many seconds, or until it is as said, while live memory grows. */
export function grower(story: Story, mibPerSecond: number) {
  story.agent.liveMiB = 280;
  return async (seconds: number, until: () => boolean = () => false) => {
    for (let i = 0; i < seconds * 20 && !until(); i++) {
      if (story.agent.alive()) story.agent.liveMiB += mibPerSecond / 20;
      await story.goes(0.05);
    }
    return until();
  };
}

/** An agent that needs more than its limit: five minutes in which each restart comes near it again. */
export async function needsMore(): Promise<Story> {
  const { story } = await growing();
  let lives = 7;
  for (let second = 0; second < 300; second++) {
    if (!story.agent.alive()) {
      const next = new FakeAgent(++lives);
      next.liveMiB = 370;
      story.restarts(next);
    }
    await story.goes(1, () => {
      if (story.agent.alive()) story.agent.liveMiB = Math.min(495, story.agent.liveMiB + 0.3);
    });
  }
  return story;
}
