import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';

/**
 * Before the kernel tier: puts the built command and the agents where every user may read them. The tests run them under
 * other uids, and a checkout may stand in a directory that is its owner's alone.
 */
export default function stage(): () => void {
  mkdirSync('/var/tmp', { recursive: true });
  let directory: string;
  try {
    directory = mkdtempSync('/var/tmp/spillway-stage-');
  } catch {
    directory = mkdtempSync('/tmp/spillway-stage-'); // a read-only root with a /tmp of its own
  }
  chmodSync(directory, 0o755);
  const copies = { DIST: process.env['DIST'] ?? 'dist', AGENTS: 'test/support/agents' };
  for (const [name, from] of Object.entries(copies)) {
    const to = join(directory, name.toLowerCase());
    cpSync(resolve(import.meta.dirname, '../..', from), to, { recursive: true });
    process.env[name] = to;
  }
  return () => rmSync(directory, { recursive: true, force: true });
}
