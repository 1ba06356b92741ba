import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { GcRecord } from '../../../../src/core/model/gc-record.ts';
import { cutNote, eventNote, NOTE_BYTES } from '../../../../src/core/report/event-note.ts';
import { eventOf } from '../../../support/event.ts';
import { statusWith } from '../../../support/status.ts';

const bytes = (text: string) => Buffer.byteLength(text);

describe('cutNote', () => {
  it('leaves alone what fits, to the byte', () => {
    expect(cutNote('ä'.repeat(512))).toBe('ä'.repeat(512));
    expect(cutNote(`${'ä'.repeat(512)}x`)).not.toContain('x');
  });

  it('cuts where a thought ends, if that is near', () => {
    expect(cutNote('One thing. Another thing, which is long', 30)).toBe('One thing. Another thing…');
    expect(cutNote('It was the first thing. Then more', 30)).toBe('It was the first thing…');
    expect(cutNote('x'.repeat(50), 30)).toBe(`${'x'.repeat(27)}…`);
  });

  it('never cuts a character in two, and never gives more', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme', maxLength: 200 }),
        fc.integer({ min: 3, max: 200 }),
        (text, max) => {
          const cut = cutNote(text, max);
          expect(bytes(cut)).toBeLessThanOrEqual(max);
          expect(text.startsWith(cut.replace(/…$/, ''))).toBe(true);
        },
      ),
    );
  });
});

describe('eventNote', () => {
  const lastGc: GcRecord = {
    at: '2026-01-02T03:04:02.000Z',
    verdict: 'freed',
    way: 'fast',
    trigger: '',
    freedBytes: 40 * 2 ** 20,
    freedCgroupBytes: 0,
    freedRssBytes: null,
    freedHeapBytes: null,
    stallMs: 26,
    note: '',
    hint: null,
  };
  const at = '2026-01-02T03:04:05.000Z';

  it('says what was done, when that was lately', () => {
    const told = (changes: Partial<GcRecord>, reason: 'AgentStuck' | 'GarbageCollected' = 'AgentStuck') =>
      eventNote(
        eventOf(reason, { at, note: 'Told.', status: statusWith({ lastGc: { ...lastGc, ...changes } }) }),
      );
    expect(told({}).startsWith('Told. ')).toBe(true);
    for (const part of ['3.0 s', '40.0 MiB', '(freed)']) expect(told({})).toContain(part);
    expect(told({ at: '2026-01-02T03:00:00.000Z' })).toBe('Told.');
    expect(told({ way: null })).toBe('Told.');
    expect(told({}, 'GarbageCollected')).toBe('Told.');
  });

  const dead = (reason: string) => statusWith({ lastDeath: { id: '1', at, cause: 'oom-killed', reason } });

  /** What stands behind the note of the agent's own end. */
  const AFTER_A_DEATH = eventNote(
    eventOf('AgentExited', { note: 'Killed.', status: dead('Killed.') }),
  ).replace('Killed.', '');

  it('says what comes after the death of the agent, not of a child that it outlives', () => {
    const killed = eventOf('AgentOOMKilled', {
      note: 'Killed. What grew: a cache.',
      status: dead('Killed.'),
    });
    expect(eventNote(killed)).toBe(`${killed.note}${AFTER_A_DEATH}`);
    expect(AFTER_A_DEATH).not.toBe('');
    const note = "The kernel's OOM killer killed a child process. The agent itself is still running.";
    expect(eventNote(eventOf('AgentOOMKilled', { note }))).toBe(note);
    expect(eventNote(eventOf('AgentOOMKilled', { note, status: dead('Killed.') }))).toBe(note);
  });

  it('is never longer than an Event may be, and says what comes next all the same', () => {
    const text = 'ü '.repeat(341);
    const note = eventNote(eventOf('AgentExited', { note: text, status: dead(text) }));
    expect(bytes(note)).toBeLessThanOrEqual(NOTE_BYTES);
    expect(note.endsWith(`ü…${AFTER_A_DEATH}`)).toBe(true);
  });
});
