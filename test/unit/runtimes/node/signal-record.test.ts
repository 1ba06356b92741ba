import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { createSignalRecord } from '../../../../src/runtimes/node/signal-record.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { goldenLines } from '../../../support/golden.ts';

const said = goldenLines('signal-record-file');
const ARGS = ['node', 'agent.js', '--key=secret'];

function recordIn(dir: string | undefined, problems: string[] = []) {
  const clock = new FakeClock();
  const record = createSignalRecord({ dir, clock, onProblem: (message) => problems.push(message) });
  const endedAt = () => {
    record.sent(ARGS);
    clock.nowMs += 300;
    return record.ended('exit');
  };
  return { record, endedAt };
}
function folder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'spillway-signals-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

it('is known to the next guardian, by a digest and not by the arguments', () => {
  const dir = folder();
  const { record, endedAt } = recordIn(dir);
  said('ended after 300 ms', endedAt());
  said('refused', record.refusal(ARGS));
  said('refused', recordIn(dir).record.refusal(ARGS));
  expect(recordIn(dir).record.refusal(['node', 'other.js'])).toBe(undefined);
  expect(readFileSync(join(dir, 'sigusr1.json'), 'utf8')).not.toContain('secret');
});

it.each([
  '',
  '{}',
  'null',
  '[null, 1, {"digest": 7}]',
  '[{',
])('makes nothing of a spoilt file: %j', (text) => {
  const dir = folder();
  writeFileSync(join(dir, 'sigusr1.json'), text);
  const { record, endedAt } = recordIn(dir);
  expect(record.refusal(ARGS)).toBe(undefined);
  endedAt();
  said('refused', recordIn(dir).record.refusal(ARGS));
});

it('goes on without a place to write to, and says so', () => {
  const problems: string[] = [];
  const { record, endedAt } = recordIn('/proc/none', problems);
  endedAt();
  said('refused', record.refusal(ARGS));
  said('not written', problems[0]);
});
