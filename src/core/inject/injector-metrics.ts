/** The metrics of the webhook; the guardian's are in `metric-table.ts`. */
export const INJECTOR_METRICS = {
  spillway_injector_admissions_total: {
    type: 'counter',
    help: 'Reviewed pods, by result',
    labels: ['result'],
  },
  spillway_injector_admission_duration_seconds: {
    type: 'histogram',
    help: 'Duration of a review, from the end of the request to its answer',
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 1],
  },
  spillway_injector_refused_requests_total: {
    type: 'counter',
    help: 'Rejected requests, by status',
    labels: ['status'],
  },
  spillway_injector_certificate_expiry_timestamp_seconds: {
    type: 'gauge',
    help: 'Expiry of the served certificate, in seconds since 1970',
  },
  spillway_injector_ready: {
    type: 'gauge',
    help: '1 while the API server trusts the served certificate',
  },
  spillway_injector_configuration_valid: {
    type: 'gauge',
    help: '1 while the current sidecar configuration is in use; 0 while it is invalid and an older one is in use',
  },
} as const;

export type InjectorMetric = keyof typeof INJECTOR_METRICS;
