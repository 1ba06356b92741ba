import { setTimeout as sleep } from 'node:timers/promises';
import {
  type CertificateFacts,
  type CertificateSet,
  certificateNeed,
  type KeyPair,
} from '../core/inject/certificate.ts';
import type { CertificateStore, Stored } from '../core/inject/certificate-store.ts';
import { type Backoff, waitAfter } from '../core/lib/backoff.ts';
import { describeError, SpillwayError } from '../core/lib/errors.ts';

/** Between two looks at the Secret and the configuration: an upgrade of the chart may empty the latter. */
const CHECK_MS = 10_000;
/** Waits after failures. */
const RETRY_MS: Backoff = { first: 500, longest: 30_000 };
/** For one look, with all its requests. */
const ROUND_MS = 30_000;
/** Until the API server has heard of a new authority, what it knows is served. */
const SETTLE_MS = 5000;
/** Replicas that write at the same time: one of them is first each time. */
const MAX_ATTEMPTS = 5;

export interface KeepCertificateDeps {
  store: CertificateStore;
  examine(set: CertificateSet): CertificateFacts;
  makeAuthority(nowMs: number): Promise<KeyPair>;
  makeServing(authority: KeyPair, nowMs: number): Promise<KeyPair>;
  /** Several texts of authorities as one, without those that have expired. */
  trustedAuthorities(texts: readonly string[], nowMs: number): string;
  /** From now on this is served. */
  serve(pair: KeyPair): void;
  /** Milliseconds since 1970. */
  wallMs(): number;
  log(level: 'info' | 'warn', message: string): void;
  /** Default: 10 s. */
  checkMs?: number;
  /** Default: 5 s. */
  settleMs?: number;
}

/**
 * Keeps a webhook's certificate: made when there is none that can be used, renewed in time, the same in all replicas, and
 * trusted by the API server. Goes on through every failure, with what it has: a Secret that is missing costs the next
 * renewal, not what is served.
 */
export class CertificateKeeper {
  readonly #deps: KeepCertificateDeps;
  readonly #ended = new AbortController();
  #served: CertificateSet | undefined;
  #trusted = false;
  #done: Promise<void> | undefined;

  constructor(deps: KeepCertificateDeps) {
    this.#deps = deps;
  }

  /** Whether what is served is trusted by the API server, as far as is known. */
  get ready(): boolean {
    return this.#trusted;
  }

  start(): void {
    this.#done ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#ended.abort();
    await this.#done;
  }

  async #run(): Promise<void> {
    const { log, checkMs = CHECK_MS } = this.#deps;
    let failures = 0;
    let said = '';
    while (!this.#ended.signal.aborted) {
      let waitMs = checkMs;
      try {
        await this.#round(AbortSignal.any([this.#ended.signal, AbortSignal.timeout(ROUND_MS)]));
        if (said !== '') log('info', 'certificate: recovered');
        [failures, said] = [0, ''];
      } catch (error) {
        if (this.#ended.signal.aborted) return;
        const text = describeError(error);
        if (text !== said) log('warn', `certificate: ${text}`);
        said = text;
        waitMs = waitAfter(RETRY_MS, ++failures);
      }
      await sleep(waitMs, undefined, { signal: this.#ended.signal }).catch(() => {});
    }
  }

  async #round(signal: AbortSignal): Promise<void> {
    const { store, serve, log, settleMs = SETTLE_MS } = this.#deps;
    const set = await this.#agree(signal).catch(async (error: unknown) => {
      if (this.#served) await store.trust(this.#served.trusted, signal);
      throw error;
    });
    const told = await store.trust(set.trusted, signal);
    if (told) log('info', 'certificate: the webhook configuration has the CA');
    const known = this.#served;
    if (known === undefined || known.serving.certificate !== set.serving.certificate) {
      // what is served now stays good until the API server knows the new one
      const overlaps = known !== undefined && set.trusted.includes(known.authority.certificate.trim());
      if (told && overlaps) await sleep(settleMs, undefined, { signal });
      serve(set.serving);
    }
    this.#served = set;
    this.#trusted = true;
  }

  /** What all replicas serve: what is stored, or what is made and stored when that will not do. */
  async #agree(signal: AbortSignal): Promise<CertificateSet> {
    const { store, examine, wallMs, log } = this.#deps;
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const stored = await store.read(signal);
      const nowMs = wallMs();
      const need = certificateNeed(examine(stored.set), nowMs);
      if (need === 'nothing') return stored.set;
      const made = await this.#make(need === 'certificate' ? stored : undefined, stored, nowMs);
      if (await store.write(made, stored, signal)) {
        log(
          'info',
          `certificate: a new ${need === 'certificate' ? 'one' : 'authority and certificate'} is made`,
        );
        return made;
      }
    }
    throw new SpillwayError('kubernetes', 'other writers keep changing the Secret');
  }

  /** @param signer whose authority signs; a new one without it */
  async #make(signer: Stored | undefined, stored: Stored, nowMs: number): Promise<CertificateSet> {
    const { makeAuthority, makeServing, trustedAuthorities } = this.#deps;
    const authority = signer?.set.authority ?? (await makeAuthority(nowMs));
    // replicas go on serving what the old authority signed until they have read the new
    const before = [stored.set.trusted, this.#served?.trusted ?? ''];
    return {
      serving: await makeServing(authority, nowMs),
      authority,
      trusted: trustedAuthorities([authority.certificate, ...before], nowMs),
    };
  }
}
