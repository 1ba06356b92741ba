/** The guardian's image, as the nodes have it. */
export const IMAGE = process.env['TEST_IMAGE'] ?? 'localhost/spillway:dev';
/** An image with Node on its PATH: the agents are programs of a ConfigMap. */
export const TOOLS_IMAGE = process.env['TEST_TOOLS_IMAGE'] ?? 'spillway.test/tools:1';
/** A program with `stop NAME` and `start NAME` for the components of a cluster; tests that break some need it. */
export const CLUSTER_FAULTS = process.env['TEST_CLUSTER_FAULTS'] || undefined;
/** Everything waits this many times longer: for clusters on slow machines. */
export const PATIENCE = Number(process.env['TEST_PATIENCE'] ?? 1);
/** The node's KubeletConfiguration, where its thresholds may be changed: on a node that is all the tests' own. */
export const KUBELET_CONFIG = process.env['TEST_KUBELET_CONFIG'] ?? '';
/** How long the API server stays away. */
export const OUTAGE_SECONDS = Number(process.env['TEST_OUTAGE_SECONDS'] ?? 125);
/** The kubelet's log, for when it took note of a probe; a node of one's own has it. */
export const KUBELET_LOG = process.env['TEST_KUBELET_LOG'] ?? '';
