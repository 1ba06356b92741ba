import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { InspectorSession } from '../../../../src/core/ports/inspector.ts';
import { takeSnapshot } from '../../../../src/runtimes/node/snapshot.ts';
import { growingAgent } from '../../../support/grow.ts';

const AGENT = join(import.meta.dirname, '../../../support/agents/grow-kinds.mjs');

describe('takeSnapshot', () => {
  it('streams a whole snapshot', async () => {
    await using agent = await growingAgent(process.execPath, [AGENT, 'class', '5']);
    await agent.grown();
    const chunks: string[] = [];
    await takeSnapshot(agent.session, async (chunk) => void chunks.push(chunk));
    const snapshot = JSON.parse(chunks.join(''));
    expect(chunks.length).toBeGreaterThan(1);
    expect(snapshot.snapshot.meta.node_fields).toContain('self_size');
    expect(snapshot.strings).toContain('Conversation');
  });

  it('holds back what comes while writing is slow', async () => {
    await using agent = await growingAgent(process.execPath, [AGENT, 'class', '10']);
    await agent.grown();
    let pauses = 0;
    const session: InspectorSession = {
      ...agent.session,
      get open() {
        return agent.session.open;
      },
      pause() {
        pauses++;
        agent.session.pause();
      },
    };
    let text = '';
    let writing = 0;
    await takeSnapshot(session, async (chunk) => {
      expect(++writing).toBe(1);
      await sleep(2);
      text += chunk;
      writing--;
    });
    expect(pauses).toBeGreaterThan(0);
    expect(JSON.parse(text).strings.length).toBeGreaterThan(100);
  });

  it('throws on what writing throws, and the session goes on', async () => {
    await using agent = await growingAgent(process.execPath, [AGENT, 'class', '5']);
    const full = new Error('no space left');
    await expect(takeSnapshot(agent.session, () => Promise.reject(full))).rejects.toBe(full);
    const { result } = await agent.session.send<{ result: { value: number } }>('Runtime.evaluate', {
      expression: '6 * 7',
    });
    expect(result.value).toBe(42);
  });

  it('gives up in time', async () => {
    await using agent = await growingAgent(process.execPath, [AGENT, 'class', '5']);
    await expect(takeSnapshot(agent.session, () => sleep(100), 20)).rejects.toMatchObject({
      code: 'timeout',
    });
  });
});
