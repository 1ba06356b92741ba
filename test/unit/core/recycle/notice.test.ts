import { expect, it } from 'vitest';
import { Notice } from '../../../../src/core/recycle/notice.ts';

const CLOSED_MS = 100_000;

it('is given once a balancer that probes each second had the time to', () => {
  const notice = new Notice(false);
  notice.probed(false, true, CLOSED_MS + 10);
  expect(notice.given(CLOSED_MS, CLOSED_MS + 1299)).toBe(false);
  expect(notice.given(CLOSED_MS, CLOSED_MS + 1300)).toBe(true);
});

it('is given, where nobody else could take the work, by the first probe', () => {
  const notice = new Notice(true);
  notice.probed(true, true, CLOSED_MS - 100);
  expect(notice.given(CLOSED_MS, CLOSED_MS + 800)).toBe(false);
  notice.probed(false, true, CLOSED_MS + 900);
  expect(notice.given(CLOSED_MS, CLOSED_MS + 900)).toBe(true);
});

it('is given at once, where nobody else could take the work and nothing probes', () => {
  const notice = new Notice(true);
  expect(notice.given(CLOSED_MS, CLOSED_MS)).toBe(true);
  notice.probed(true, false, CLOSED_MS - 15_000);
  expect(notice.given(CLOSED_MS, CLOSED_MS)).toBe(true);
});

it('counts the probes of the kubelet', () => {
  const notice = new Notice(false);
  notice.probed(true, true, 0);
  notice.probed(true, false, 0);
  notice.probed(false, true, 0);
  expect(notice.kubeletProbes).toBe(2);
});
