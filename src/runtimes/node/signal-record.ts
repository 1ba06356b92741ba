import { createHash } from 'node:crypto';
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../../core/lib/errors.ts';
import type { DeathCause } from '../../core/model/status.ts';
import { readAgentFile } from '../../sources/agent-file.ts';
import { type Barred, SignalMemory } from './parse-signal-record.ts';

/** Which command lines are not sent SIGUSR1 any more, kept over guardians where there is a record directory. */
export interface SignalRecord {
  /** Why this process is not sent the signal. */
  refusal(args: readonly string[]): string | undefined;
  sent(args: readonly string[]): void;
  answered(): void;
  /** @returns what the signal had to do with the end, in a sentence */
  ended(cause: DeathCause): string | undefined;
}

export interface SignalRecordOptions {
  dir: string | undefined;
  clock: { now(): number; wallMs(): number };
  onProblem(message: string): void;
}

const FILE = 'sigusr1.json';
const MOST_BYTES = 100_000;

export function createSignalRecord({ dir, clock, onProblem }: SignalRecordOptions): SignalRecord {
  const file = dir === undefined ? undefined : join(dir, FILE);
  const memory = new SignalMemory(file === undefined ? [] : read(file));
  const keep = () => {
    if (file === undefined) return;
    try {
      writeFileSync(`${file}.tmp`, JSON.stringify(memory.barred), { mode: 0o600 });
      renameSync(`${file}.tmp`, file);
    } catch (error) {
      onProblem(`${file} cannot be written: ${messageOf(error)}`);
    }
  };
  return {
    refusal: (args) => memory.refusal(digestOf(args)),
    sent: (args) => memory.sent(digestOf(args), clock.now()),
    answered: () => memory.answered(),
    ended(cause) {
      const before = memory.barred;
      const at = new Date(clock.wallMs()).toISOString();
      const killed = cause === 'oom-killed' || cause === 'heap-limit';
      const words = memory.ended(clock.now(), killed, at);
      if (memory.barred !== before) keep();
      return words;
    },
  };
}

function digestOf(args: readonly string[]): string {
  return createHash('sha256').update(args.join('\0')).digest('hex');
}

/** What an earlier guardian wrote; nothing where that makes no sense. */
function read(file: string): Barred[] {
  try {
    const found: unknown = JSON.parse(readAgentFile(file, MOST_BYTES)?.toString() ?? '[]');
    return Array.isArray(found) ? found.filter(isBarred) : [];
  } catch {
    return []; // not there, or spoilt: then it is learned anew
  }
}

function isBarred(entry: unknown): entry is Barred {
  const fields = ['digest', 'at', 'why'].map((key) => (entry as Record<string, unknown> | null)?.[key]);
  return fields.every((field) => typeof field === 'string');
}
