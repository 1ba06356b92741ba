import { baseName, type ProcessRow } from './process-table.ts';

/**
 * Programs that stand before an agent and are none: the proxies of Istio (sidecar and ambient), Linkerd, Consul, Kuma and
 * Dapr, and of Google's databases. Their containers are beside the agent's, and may be there before it.
 */
const PROXIES = new Set([
  'envoy',
  'pilot-agent',
  'ztunnel',
  'linkerd2-proxy',
  'linkerd2-proxy-identity',
  'consul-dataplane',
  'kuma-dp',
  'daprd',
  'cloud-sql-proxy',
  'cloud_sql_proxy',
]);

/** Whether a process is such a proxy, by its command: that can be read across users. */
export function isKnownProxy({ args }: Pick<ProcessRow, 'args'>): boolean {
  return PROXIES.has(baseName(args[0] ?? ''));
}
