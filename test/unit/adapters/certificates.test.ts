import { X509Certificate } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { connect, createServer } from 'node:tls';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  examine,
  makeAuthority,
  makeServing,
  pairValidity,
  trustedAuthorities,
} from '../../../src/adapters/certificates.ts';
import type { CertificateSet } from '../../../src/core/inject/certificate.ts';

const NAME = 'spillway-injector.a-namespace-with-quite-a-long-name-of-sixty-three-letters1.svc';
const DAY = 24 * 3600e3;

async function made(nowMs = Date.now()): Promise<CertificateSet> {
  const authority = await makeAuthority(nowMs);
  return { authority, serving: await makeServing(NAME, authority, nowMs), trusted: authority.certificate };
}

/** Whether a client that trusts `ca` speaks with a server of this pair; else why not. */
async function handshake({ certificate, key }: CertificateSet['serving'], ca: string): Promise<string> {
  const server = createServer({ cert: certificate, key }, (socket) => socket.end());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', servername: NAME, ca }, () => {
      resolve(socket.getProtocol() ?? '');
      socket.end();
    });
    socket.once('error', (error) => resolve(error.message));
  });
}

describe('certificates of its own', () => {
  it('are trusted by who trusts the authority, and by nobody else', async () => {
    const [one, other] = [await made(), await made()];
    expect(await handshake(one.serving, one.trusted)).toBe('TLSv1.3');
    expect(await handshake(one.serving, other.trusted)).not.toBe('TLSv1.3');
    expect(await handshake(one.serving, other.trusted + one.trusted)).toBe('TLSv1.3');
    const { ca, subjectAltName, publicKey } = new X509Certificate(one.serving.certificate);
    expect([ca, subjectAltName, publicKey.asymmetricKeyDetails?.namedCurve]).toEqual([
      false,
      `DNS:${NAME}`,
      'prime256v1',
    ]);
  });

  it('hold for 90 days and 10 years, from an hour ago', async () => {
    const nowMs = Date.parse('2030-01-01T12:00:00Z');
    const { authority, serving } = examine(await made(nowMs), NAME);
    const from = nowMs - 3600e3;
    expect(serving).toEqual({ fromMs: from, untilMs: from + 90 * DAY });
    expect(authority).toEqual({ fromMs: from, untilMs: from + 3650 * DAY });
  });

  it('are looked at for all that may be wrong with them', async () => {
    const [one, other] = [await made(), await made()];
    const none = { authority: undefined, serving: undefined };
    const badServing = { authority: expect.anything(), serving: undefined };
    expect(examine(one, NAME)).toEqual({ authority: expect.anything(), serving: expect.anything() });
    expect(examine(one, 'another.svc')).toEqual(badServing);
    expect(examine({ ...one, serving: other.serving }, NAME)).toEqual(badServing);
    expect(examine({ ...one, serving: { ...one.serving, key: other.serving.key } }, NAME)).toEqual(
      badServing,
    );
    expect(examine({ ...one, serving: { certificate: 'garbage', key: '' } }, NAME)).toEqual(badServing);
    expect(examine({ ...one, authority: { ...one.authority, key: other.authority.key } }, NAME)).toEqual(
      none,
    );
    expect(examine({ ...one, authority: one.serving }, NAME)).toEqual(none);
    expect(examine({ ...one, trusted: other.trusted }, NAME)).toEqual(none);
    expect(pairValidity({ certificate: one.serving.certificate, key: other.serving.key })).toBeUndefined();
  });

  it('are trusted together, each once, and no longer than they hold', async () => {
    const nowMs = Date.now();
    const [one, other, old] = [await made(), await made(), await made(nowMs - 3651 * DAY)];
    const both = trustedAuthorities(
      [one.trusted, `junk\n${other.trusted}${one.trusted}`, old.trusted],
      nowMs,
    );
    expect(both).toBe(one.trusted + other.trusted);
    const more = await Promise.all(Array.from({ length: 5 }, () => made()));
    expect(
      trustedAuthorities(
        more.map(({ trusted }) => trusted),
        nowMs,
      ).match(/BEGIN/g),
    ).toHaveLength(3);
  });
});
