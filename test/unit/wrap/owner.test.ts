import { readlinkSync } from 'node:fs';
import { expect, it } from 'vitest';
import { isOrphaned, ownerName } from '../../../src/wrap/owner.ts';

const dead = (name = '') => name.replace(/-\d+-\d+-/, '-4194305-1-');

it('knows those of this boot and pid namespace that no longer live', () => {
  const own = ownerName('/proc');
  expect(isOrphaned(own ?? '', '/proc')).toBe(false);
  expect(isOrphaned(dead(own), '/proc')).toBe(true);
});

it('says nothing of another machine, whose pid namespace may have the same number', () => {
  const [namespace] = /\d+/.exec(readlinkSync('/proc/self/ns/pid')) ?? [];
  expect(isOrphaned(`spillway-4194305-1-${namespace}`, '/proc')).toBe(false);
  expect(isOrphaned(`spillway-4194305-1-${namespace}b000000`, '/proc')).toBe(false);
});
