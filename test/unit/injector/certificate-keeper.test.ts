import { X509Certificate } from 'node:crypto';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  examine,
  makeAuthority,
  makeServing,
  trustedAuthorities,
} from '../../../src/adapters/certificates.ts';
import { createWebhookCertificateStore } from '../../../src/adapters/webhook-certificate-store.ts';
import type { KeyPair } from '../../../src/core/inject/certificate.ts';
import { CertificateKeeper } from '../../../src/injector/certificate-keeper.ts';
import { until } from '../../support/cli.ts';
import { goldenLines } from '../../support/golden.ts';
import {
  CONFIGURATION,
  emptySecret,
  NAMESPACE,
  SECRET,
  SERVICE,
  startWebhookApi,
  type WebhookApi,
} from '../../support/webhook-api.ts';

const said = goldenLines('certificate-keeper');
const DAY = 24 * 3600e3;

/** A replica of the webhook, as far as its certificate goes. */
function replica(api: WebhookApi, clock: () => number = Date.now) {
  const served: KeyPair[] = [];
  const lines: string[] = [];
  /** For each certificate served: whether the API server trusted its signer then. */
  const trusted: boolean[] = [];
  const objects = { namespace: NAMESPACE, secret: SECRET, configuration: CONFIGURATION };
  const store = createWebhookCertificateStore(api.apiServer, objects, '1');
  const keeper = new CertificateKeeper({
    store,
    examine: (set) => examine(set, SERVICE),
    makeAuthority,
    makeServing: (authority, nowMs) => makeServing(SERVICE, authority, nowMs),
    trustedAuthorities,
    serve: (pair) => {
      served.push(pair);
      trusted.push(api.bundles().every((bundle) => trusts(bundle, pair)));
    },
    wallMs: clock,
    log: (_, message) => lines.push(message),
    checkMs: 50,
    settleMs: 100,
  });
  keeper.start();
  onTestFinished(async () => {
    await keeper.stop();
    store.close();
  });
  const now = () => served.at(-1)?.certificate;
  return { keeper, served, lines, trusted, now };
}

const authorities = (bundle: string) => bundle.match(/-----BEGIN[\s\S]+?END CERTIFICATE-----/g) ?? [];
function trusts(bundle: string, { certificate }: KeyPair): boolean {
  const leaf = new X509Certificate(certificate);
  return authorities(bundle).some((pem) => {
    const authority = new X509Certificate(pem);
    return leaf.checkIssued(authority) && leaf.verify(authority.publicKey);
  });
}

describe('the certificate of the webhook', () => {
  it('is made, stored and trusted before it is served', async () => {
    const api = await startWebhookApi();
    const { keeper, served, trusted, lines } = replica(api);
    expect(keeper.ready).toBe(false);
    await until(() => keeper.ready, 'it is ready');
    expect(trusted).toEqual([true]);
    expect(api.part('tls.crt')).toBe(served[0]?.certificate);
    expect(api.part('tls.key')).toBe(served[0]?.key);
    // what the chart made stays as it is but for its data: a type is for good, and so is an owner
    expect(api.state.secret).toMatchObject({ type: 'Opaque', metadata: { labels: { owner: 'helm' } } });
    expect(api.bundles()).toEqual([api.part('ca.crt'), api.part('ca.crt')]);
    expect(lines.join('\n')).not.toContain('PRIVATE');
  });

  it('is one for all replicas, also when they begin at the same time', async () => {
    const api = await startWebhookApi();
    const replicas = [replica(api), replica(api), replica(api)];
    await until(() => replicas.every(({ keeper }) => keeper.ready), 'all are ready');
    expect(new Set(replicas.map(({ now }) => now())).size).toBe(1);
    expect(replicas.flatMap(({ served }) => served)).toHaveLength(3);
    expect(api.state.secret?.metadata.resourceVersion).toBe('2');
  });

  it('is found again after a restart', async () => {
    const api = await startWebhookApi();
    const first = replica(api);
    await until(() => first.keeper.ready, 'it is ready');
    await first.keeper.stop();
    const { version } = api.state;
    const second = replica(api);
    await until(() => second.keeper.ready, 'it is ready again');
    expect(second.now()).toBe(first.now());
    expect(api.state.version).toBe(version);
  });

  it.each([
    ['garbage', 'tls.crt', 'bm9uc2Vuc2U='],
    ['another key', 'tls.key', ''],
    ['an authority without its key', 'ca.key', ''],
    ['nothing to trust', 'ca.crt', ''],
  ])('is made anew when the Secret holds %s', async (_, key, value) => {
    const api = await startWebhookApi();
    const { keeper, now, served, trusted } = replica(api);
    await until(() => keeper.ready, 'it is ready');
    const before = now();
    const { secret } = api.state;
    if (!secret) throw new Error('no Secret');
    api.state.secret = { ...secret, data: { ...secret.data, [key]: value } };
    await until(() => now() !== before, 'there is a new one');
    expect(trusted).toEqual([true, true]);
    expect(api.part('tls.crt')).toBe(served.at(-1)?.certificate);
  });

  it('survives the Secret, which is not made again but by the chart; meanwhile what is served stays trusted', async () => {
    const api = await startWebhookApi();
    const [one, other] = [replica(api), replica(api)];
    await until(() => one.keeper.ready && other.keeper.ready, 'both are ready');
    const [before] = one.served;
    api.state.secret = undefined;
    const missing = `certificate: the Secret ${NAMESPACE}/${SECRET} is missing; run helm upgrade`;
    await until(() => one.lines.some((line) => line.startsWith(missing)), 'it says so');
    for (const webhook of api.state.configuration.webhooks ?? []) webhook.clientConfig = {};
    await until(() => api.bundles().every((bundle) => before && trusts(bundle, before)), 'it is trusted');
    expect([one.keeper.ready, other.keeper.ready]).toEqual([true, true]);
    expect([one.served.length, other.served.length]).toEqual([1, 1]);
    expect(api.state.secret).toBeUndefined();
    // as `helm upgrade` does
    api.state.secret = emptySecret();
    await until(() => one.served.length > 1 && other.served.length > 1, 'both serve a new one');
    expect(one.now()).toBe(other.now());
    for (const bundle of api.bundles()) {
      expect(authorities(bundle)).toHaveLength(2);
      expect(before && trusts(bundle, before)).toBe(true);
    }
    expect([...one.trusted, ...other.trusted]).toEqual([true, true, true, true]);
  });

  it('has its authority put back where an upgrade has emptied it', async () => {
    const api = await startWebhookApi();
    const { keeper, served } = replica(api);
    await until(() => keeper.ready, 'it is ready');
    const trusted = api.bundles();
    for (const webhook of api.state.configuration.webhooks ?? []) webhook.clientConfig = {};
    await until(() => api.bundles().every((bundle, i) => bundle === trusted[i]), 'it is back');
    expect(served).toHaveLength(1);
  });

  it('is renewed in time by the same authority, and the authority with both trusted', async () => {
    const api = await startWebhookApi();
    const clock = { ms: Date.now() };
    const { keeper, served, trusted } = replica(api, () => clock.ms);
    await until(() => keeper.ready, 'it is ready');
    const authority = api.part('ca.crt');
    clock.ms += 59 * DAY;
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(served).toHaveLength(1);
    clock.ms += 2 * DAY;
    await until(() => served.length === 2, 'it is renewed');
    expect(api.part('ca.crt')).toBe(authority);
    clock.ms += 2500 * DAY;
    await until(() => served.length === 3, 'the authority is renewed');
    expect(authorities(api.part('ca.crt'))).toHaveLength(2);
    expect(api.part('ca.crt')).toContain(authority);
    expect(trusted).toEqual([true, true, true]);
  });

  it.each([
    ['refuses', { status: 403, body: '{"message":"secrets is forbidden"}' }],
    ['is overloaded', { status: 429 }],
    ['talks nonsense', { status: 200, body: 'nonsense' }],
  ])('is made once an API server that %s does not any more', async (what, fault) => {
    const api = await startWebhookApi();
    api.state.fault = () => fault;
    const { keeper, lines } = replica(api);
    await until(() => api.state.requests.length > 1, 'it has tried again');
    expect(keeper.ready).toBe(false);
    expect(lines).toHaveLength(1);
    said(`an API server that ${what}`, lines[0], { NONSENSE: /Unexpected token .*/g });
    api.state.fault = undefined;
    await until(() => keeper.ready, 'it is ready');
  });

  it('is served on while the API server is away', async () => {
    const api = await startWebhookApi();
    const { keeper, lines, served } = replica(api);
    await until(() => keeper.ready, 'it is ready');
    api.state.fault = () => ({ status: 503 });
    await until(() => lines.some((line) => line.includes('503')), 'it has been told');
    expect(keeper.ready).toBe(true);
    api.state.fault = () => 'hang';
    const stopped = performance.now();
    await keeper.stop();
    expect(performance.now() - stopped).toBeLessThan(1000);
    expect(served).toHaveLength(1);
  });

  it('is not written in a row by replicas that come second', async () => {
    const api = await startWebhookApi();
    let conflicts = 2;
    api.state.fault = (request) =>
      request === 'PUT secret' && conflicts-- > 0 ? { status: 409, body: '{}' } : undefined;
    const { keeper } = replica(api);
    await until(() => keeper.ready, 'it is ready');
    expect(api.state.requests.filter((request) => request === 'PUT secret')).toHaveLength(3);
  });
});
