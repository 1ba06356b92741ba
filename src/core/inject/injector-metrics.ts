/** The metrics of the webhook; the guardian's are in `metric-table.ts`. */
export const INJECTOR_METRICS = {
  spillway_injector_admissions_total: {
    type: 'counter',
    help: 'Pods that were looked at, by what came of it',
    labels: ['result'],
  },
  spillway_injector_admission_duration_seconds: {
    type: 'histogram',
    help: 'Time from a whole request to its answer',
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 1],
  },
  spillway_injector_refused_requests_total: {
    type: 'counter',
    help: 'Requests that were not answered as asked, by status',
    labels: ['status'],
  },
  spillway_injector_certificate_expiry_timestamp_seconds: {
    type: 'gauge',
    help: 'When the certificate that is served expires, in seconds since 1970',
  },
  spillway_injector_ready: {
    type: 'gauge',
    help: 'Whether it has a certificate that the API server trusts, as far as is known',
  },
  spillway_injector_configuration_valid: {
    type: 'gauge',
    help: 'Whether the sidecar configuration as it is now is in use; 0 when it is refused and an older one is',
  },
} as const;

export type InjectorMetric = keyof typeof INJECTOR_METRICS;
