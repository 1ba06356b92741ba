import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { tokenClaims } from '../core/inject/token-claims.ts';
import { errnoOf } from '../core/lib/errors.ts';
import type { PodIdentity } from '../core/report/kubernetes-event.ts';
import { containerPlace } from './container-name.ts';

const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

/** The way to the API server from inside a pod, and which pod it is. */
export interface Cluster {
  host: string;
  port: number;
  tokenFile: string;
  caFile: string;
  pod: PodIdentity;
  /** What the manifest does not set, and was found otherwise or is missing; empty when all is set. */
  missing: string[];
}

/** Why there is no way to the API server. */
export interface NoCluster {
  code: 'not_in_pod' | 'no_token' | 'no_namespace';
  /** In words. */
  reason: string;
  /** In a cluster, and nevertheless without a way: worth a line in the log. */
  inCluster: boolean;
}

export interface FindClusterOptions {
  env: NodeJS.ProcessEnv;
  /** Where token, certificate authority and namespace are mounted. */
  directory?: string;
  /** Default: this machine's, which in a pod without the host's network is the pod's name. */
  hostName?: string;
  /** Default `/proc`. */
  procRoot?: string;
}

/**
 * Checks whether this is a pod with a token. Who it is comes from `POD_NAME`, `POD_NAMESPACE` and `POD_UID` (the downward
 * API), else from the token (bound to its pod), else from the namespace file, the mounts and the host name.
 */
export function findCluster(options: FindClusterOptions): Cluster | NoCluster {
  const { env, directory = SERVICE_ACCOUNT, hostName = hostname(), procRoot = '/proc' } = options;
  const host = env['KUBERNETES_SERVICE_HOST'];
  if (!host)
    return {
      code: 'not_in_pod',
      reason: 'KUBERNETES_SERVICE_HOST is not set: this is not a pod',
      inCluster: false,
    };
  const tokenFile = join(directory, 'token');
  let token: string;
  try {
    token = readFileSync(tokenFile, 'utf8');
  } catch (error) {
    const reason = `${tokenFile} cannot be read (${errnoOf(error) ?? String(error)})`;
    return { code: 'no_token', reason, inCluster: true };
  }
  const claims = tokenClaims(token);
  const namespace = env['POD_NAMESPACE'] || claims.namespace || textOf(join(directory, 'namespace'));
  if (!namespace)
    return { code: 'no_namespace', reason: 'its namespace is unknown: set POD_NAMESPACE', inCluster: true };
  const name = env['POD_NAME'] || claims.podName;
  const uid = env['POD_UID'] || claims.podUid || containerPlace(procRoot, 'self')?.podUid;
  const missing: string[] = [];
  if (!name) missing.push(`POD_NAME (the host name ${hostName} stands in for it)`);
  if (!uid) missing.push('POD_UID (kubectl describe pod does not show the events)');
  return {
    host,
    port: Number(env['KUBERNETES_SERVICE_PORT_HTTPS'] || env['KUBERNETES_SERVICE_PORT'] || 443),
    tokenFile,
    caFile: join(directory, 'ca.crt'),
    pod: { namespace, name: name || hostName, uid, serviceAccount: claims.serviceAccount },
    missing,
  };
}

function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return undefined; // one of several places it can stand in
  }
}
