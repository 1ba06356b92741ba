import { SIDECAR_NAME } from './names.ts';

/**
 * What injectors of meshes, platforms and observability put into a pod beside the agent, and what manifests put first by habit:
 * names of containers, and of the programs that run in them.
 */
const PRODUCTS: readonly { containers: readonly string[]; programs: readonly string[] }[] = [
  // Istio (sidecar and ambient): `istio-proxy` is the first container when the program has to wait for it
  { containers: ['istio-proxy'], programs: ['pilot-agent', 'ztunnel'] },
  { containers: ['envoy', 'envoy-sidecar'], programs: ['envoy'] },
  { containers: ['linkerd-proxy'], programs: ['linkerd2-proxy', 'linkerd2-proxy-identity'] },
  { containers: ['consul-dataplane'], programs: ['consul-dataplane'] },
  { containers: ['kuma-sidecar'], programs: ['kuma-dp'] },
  { containers: ['daprd'], programs: ['daprd'] },
  { containers: ['cloud-sql-proxy', 'cloudsql-proxy'], programs: ['cloud-sql-proxy', 'cloud_sql_proxy'] },
  { containers: ['queue-proxy'], programs: [] },
  { containers: ['vault-agent'], programs: [] },
  { containers: ['otc-container', 'datadog-agent'], programs: [] },
  { containers: [SIDECAR_NAME], programs: [] },
];

/** Containers that are never the agent where there is another. */
export const PROXIES: ReadonlySet<string> = new Set(PRODUCTS.flatMap(({ containers }) => containers));
/** Programs that stand before an agent and are none. */
export const PROXY_PROGRAMS: ReadonlySet<string> = new Set(PRODUCTS.flatMap(({ programs }) => programs));
