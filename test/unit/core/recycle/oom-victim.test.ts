import { describe, expect, it } from 'vitest';
import { OomVictim } from '../../../../src/core/recycle/oom-victim.ts';

const MIB = 2 ** 20;

/** Processes by pid, each with its name and MiB; the agent is pid 7, and 512 MiB are the limit. */
function processesOf(sizes: Record<number, [string, number]>) {
  return Object.entries(sizes)
    .map(([pid, [name, mib]]) => ({ pid: Number(pid), name, rssBytes: mib * MIB }))
    .sort((a, b) => b.rssBytes - a.rssBytes);
}

function isTool(
  looks: Parameters<typeof processesOf>[0][],
  { adjustments = {}, leftMib = 0 }: { adjustments?: Record<number, number>; leftMib?: number } = {},
) {
  const victim = new OomVictim((pid) => adjustments[pid] ?? 0);
  return looks
    .map((sizes) =>
      victim.isTool({
        agentPid: 7,
        processes: processesOf(sizes),
        limitBytes: 512 * MIB,
        leftBytes: leftMib * MIB,
      }),
    )
    .at(-1);
}

describe('whom the kernel ends at the limit', () => {
  it('is the biggest process', () => {
    expect(isTool([{ 7: ['agent.js', 300], 8: ['chrome', 100] }])).toBe(false);
    expect(isTool([{ 7: ['agent.js', 200], 8: ['chrome', 300] }])).toBe(true);
  });

  it('is not told between processes alike', () => {
    expect(isTool([{ 7: ['agent.js', 250], 8: ['chrome', 260] }])).toBe(false);
  });

  it('is the one with the greater adjustment', () => {
    const sizes: Parameters<typeof processesOf>[0] = { 7: ['agent.js', 250], 8: ['chrome', 200] };
    expect(isTool([sizes], { adjustments: { 8: 300 } })).toBe(true);
    expect(isTool([sizes], { adjustments: { 7: 500, 8: 300 } })).toBe(false);
  });

  it('is the biggest too where all have the adjustment of a Guaranteed pod', () => {
    const adjustments = { 7: -997, 8: -997 };
    expect(isTool([{ 7: ['agent.js', 200], 8: ['chrome', 300] }], { adjustments })).toBe(true);
    expect(isTool([{ 7: ['agent.js', 300], 8: ['chrome', 310] }], { adjustments })).toBe(false);
  });

  it('is the one that fills what is left', () => {
    const looks: Parameters<typeof processesOf>[0][] = [
      { 7: ['agent.js', 200], 8: ['chrome', 180] },
      { 7: ['agent.js', 200], 8: ['chrome', 190] },
    ];
    expect(isTool(looks)).toBe(false);
    expect(isTool(looks, { leftMib: 122 })).toBe(true);
    expect(
      isTool(
        [
          { 7: ['agent.js', 170], 8: ['chrome', 230] },
          { 7: ['agent.js', 200], 8: ['chrome', 230] },
        ],
        {
          leftMib: 82,
        },
      ),
    ).toBe(false);
  });

  it('is the agent where a worker of its program is the biggest', () => {
    expect(isTool([{ 7: ['agent.js', 60], 8: ['agent.js', 400] }])).toBe(false);
  });

  it('is no worker where both bear the name of their interpreter only', () => {
    expect(isTool([{ 7: ['node', 60], 8: ['node', 400] }])).toBe(true);
  });

  it('is a tool where so many are bigger that the agent is not among those listed', () => {
    const many = Object.fromEntries(
      Array.from({ length: 20 }, (_, i) => [100 + i, ['tool', 10] as [string, number]]),
    );
    expect(isTool([{ ...many, 50: ['chrome', 200] }])).toBe(true);
    expect(isTool([many])).toBe(false);
    expect(isTool([{}])).toBe(false);
  });
});
