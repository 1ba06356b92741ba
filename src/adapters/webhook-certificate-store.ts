import type { CertificateSet } from '../core/inject/certificate.ts';
import type { CertificateStore, Stored } from '../core/inject/certificate-store.ts';
import { SpillwayError } from '../core/lib/errors.ts';
import { type ApiServer, createApiConnection } from './kubernetes-https.ts';

/** The objects that the webhook's certificate lives in. */
export interface WebhookObjects {
  /** Of the Secret. */
  namespace: string;
  secret: string;
  /** Name of the MutatingWebhookConfiguration. */
  configuration: string;
}

/** Kubernetes objects as far as they are looked at here; the rest is carried along. */
interface Secret {
  metadata: { resourceVersion: string; [field: string]: unknown };
  data?: Record<string, string>;
  [field: string]: unknown;
}
interface Configuration {
  metadata: { resourceVersion: string };
  webhooks?: { name: string; clientConfig: { caBundle?: string } }[];
}

interface StoreRequest {
  method: 'GET' | 'PUT' | 'PATCH';
  path: string;
  /** Sent as JSON. */
  body?: unknown;
  signal: AbortSignal;
}

/** The authority that signs stands before those that are trusted beside it. */
const FIRST_PEM = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----\n?/;
const PATCH = 'application/json-patch+json';

/**
 * Keeps the certificates in a Secret (`tls.crt`, `tls.key`, `ca.crt`, `ca.key`) and the authorities in the `caBundle` of each webhook of a
 * configuration. A replica that comes second notices by the version of what it read.
 * The Secret is the chart's to make: a right to create Secrets cannot be bound to a name, and would give away the token of any service
 * account of the namespace.
 * All methods throw SpillwayError `kubernetes` when the API server does not answer, or refuses: with the right that is missing.
 */
export function createWebhookCertificateStore(
  server: ApiServer,
  objects: WebhookObjects,
  version: string,
): CertificateStore & { close(): void } {
  const connection = createApiConnection(server);
  const secret = `/api/v1/namespaces/${objects.namespace}/secrets/${objects.secret}`;
  const configuration = `/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/${objects.configuration}`;
  /** The Secret of each thing read, so that its labels and owner stay when it is written. */
  const whole = new WeakMap<Stored, Secret>();

  async function send(
    { method, path, body, signal }: StoreRequest,
    expected: readonly number[],
  ): Promise<{ status: number; body: unknown }> {
    const answer = await connection
      .send({
        method,
        path,
        headers: {
          accept: 'application/json',
          'content-type': method === 'PATCH' ? PATCH : 'application/json',
          'user-agent': `spillway-injector/${version}`,
        },
        body: body === undefined ? '' : JSON.stringify(body),
        signal,
      })
      .catch((cause: Error) => {
        throw new SpillwayError('kubernetes', cause.message, { cause });
      });
    if (!expected.includes(answer.status)) throw refused(method, path, answer);
    return { status: answer.status, body: JSON.parse(answer.body) };
  }

  return {
    async read(signal) {
      const { status, body } = await send({ method: 'GET', path: secret, signal }, [200, 404]);
      if (status === 404)
        throw new SpillwayError(
          'kubernetes',
          `the Secret ${objects.namespace}/${objects.secret} is missing`,
          {
            hint: 'run helm upgrade (or apply the manifest again): the chart creates it, empty',
          },
        );
      const found = body as Secret;
      const text = (key: string) => Buffer.from(found.data?.[key] ?? '', 'base64').toString('utf8');
      const trusted = text('ca.crt');
      const set: CertificateSet = {
        serving: { certificate: text('tls.crt'), key: text('tls.key') },
        authority: { certificate: FIRST_PEM.exec(trusted)?.[0] ?? '', key: text('ca.key') },
        trusted,
      };
      const stored = { set, version: found.metadata.resourceVersion };
      whole.set(stored, found);
      return stored;
    },

    async write({ serving, authority, trusted }, over, signal) {
      const data = Object.fromEntries(
        Object.entries({
          'tls.crt': serving.certificate,
          'tls.key': serving.key,
          'ca.crt': trusted,
          'ca.key': authority.key,
        }).map(([key, text]) => [key, Buffer.from(text).toString('base64')]),
      );
      const body = { ...whole.get(over), data };
      const { status } = await send({ method: 'PUT', path: secret, body, signal }, [200, 404, 409]);
      return status === 200;
    },

    async trust(authorities, signal) {
      const caBundle = Buffer.from(authorities).toString('base64');
      const read = await send({ method: 'GET', path: configuration, signal }, [200]);
      const { metadata, webhooks = [] } = read.body as Configuration;
      const changes = webhooks.flatMap(({ clientConfig }, i) =>
        clientConfig.caBundle === caBundle
          ? []
          : [{ op: 'add', path: `/webhooks/${i}/clientConfig/caBundle`, value: caBundle }],
      );
      if (changes.length === 0) return false;
      const same = { op: 'test', path: '/metadata/resourceVersion', value: metadata.resourceVersion };
      await send({ method: 'PATCH', path: configuration, body: [same, ...changes], signal }, [200]);
      return true;
    },

    close: () => connection.close(),
  };
}

const HINTS: Readonly<Record<number, string>> = {
  401: "check the service account's token",
  403: 'grant the injector the rights in the chart: get and update its Secret, get and patch its MutatingWebhookConfiguration',
  404: 'install the chart with the webhook, or name the right one with --webhook-configuration',
};

function refused(method: string, path: string, answer: { status: number; body: string }): SpillwayError {
  const hint = HINTS[answer.status];
  return new SpillwayError(
    'kubernetes',
    `${method} ${path} returned ${answer.status}: ${reasonIn(answer.body)}`,
    hint === undefined ? {} : { hint },
  );
}

function reasonIn(body: string): string {
  try {
    const { message } = JSON.parse(body) as { message?: unknown };
    if (typeof message === 'string') return message;
  } catch {
    // not from an API server
  }
  return body.slice(0, 200) || 'no reason given';
}
