import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { KeyPair } from '../core/inject/certificate.ts';
import { messageOf, SpillwayError } from '../core/lib/errors.ts';

/**
 * Reads a certificate and its key as Kubernetes mounts a Secret of type `kubernetes.io/tls`: `tls.crt` and `tls.key`.
 * @throws SpillwayError `read`
 */
export async function readCertificateFiles(directory: string): Promise<KeyPair> {
  const read = async (name: string) => {
    const path = join(directory, name);
    return readFile(path, 'utf8').catch((cause: unknown) => {
      throw new SpillwayError('read', `the certificate cannot be read: ${messageOf(cause)}`, {
        hint: `mount a Secret of type kubernetes.io/tls at ${directory}`,
        cause,
      });
    });
  };
  return { certificate: await read('tls.crt'), key: await read('tls.key') };
}
