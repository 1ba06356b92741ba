const BINARY = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi'] as const;
const DECIMAL = { '': 1, k: 1e3, K: 1e3, M: 1e6, G: 1e9, T: 1e12, P: 1e15 } as const;
const SECONDS = { ms: 1, s: 1e3, m: 60e3, h: 3600e3 } as const;

/**
 * Bytes of a Kubernetes quantity: `512Mi`, `1G`, `1.5Gi`, `1e9`, plain bytes.
 * @returns whole bytes, or `undefined` when the text is not a quantity
 */
export function parseQuantity(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?(?:[eE]\d+)?)\s*(?:(Ki|Mi|Gi|Ti|Pi)|(k|K|M|G|T|P)?)$/.exec(text.trim());
  if (!match) return undefined;
  const factor = match[2]
    ? 1024 ** BINARY.indexOf(match[2] as (typeof BINARY)[number])
    : DECIMAL[(match[3] ?? '') as keyof typeof DECIMAL];
  const bytes = Math.round(Number(match[1]) * factor);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

const SUFFIXES: ReadonlyMap<string, number> = new Map([
  ...['n', 'u', 'm', '', 'k', 'M', 'G', 'T', 'P', 'E'].map((name, i) => [name, 1000 ** (i - 3)] as const),
  ...['Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'].map((name, i) => [name, 1024 ** (i + 1)] as const),
]);

/** The number of a Kubernetes quantity of any resource: `250m` is 0.25; NaN of anything else. */
export function amountOf(quantity: string): number {
  const [, number, suffix = ''] = /^([\d.]+(?:[eE][-+]?\d+)?)([A-Za-z]*)$/.exec(quantity) ?? [];
  return Number(number) * (SUFFIXES.get(suffix) ?? Number.NaN);
}

/** The shortest exact Kubernetes quantity of whole bytes: `512Mi`, `1500M`, `12345`. */
export function renderQuantity(bytes: number): string {
  for (let i = BINARY.length - 1; i > 0; i--) {
    const unit = 1024 ** i;
    if (bytes >= unit && bytes % unit === 0) return `${bytes / unit}${BINARY[i]}`;
  }
  for (const [suffix, unit] of Object.entries(DECIMAL).reverse())
    if (unit > 1 && suffix !== 'k' && bytes >= unit && bytes % unit === 0) return `${bytes / unit}${suffix}`;
  return String(bytes);
}

/** Bytes for a reader: three digits and a binary unit, `436 MiB`, `1.21 GiB`. */
export function formatBytes(bytes: number): string {
  let value = Math.abs(bytes);
  let unit = 0;
  while (value >= 1023.5 && unit < BINARY.length - 1) {
    value /= 1024;
    unit++;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${bytes < 0 ? '-' : ''}${value.toFixed(digits)} ${BINARY[unit]}B`;
}

/**
 * Milliseconds of a duration: `10ms`, `1.5s`, `2m`, `1h`, also in a row (`1m30s`).
 * @returns milliseconds, or `undefined` when the text is not a duration
 */
export function parseDuration(text: string): number | undefined {
  const parts = [...text.trim().matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/gy)];
  if (parts.length === 0 || parts.map((part) => part[0]).join('') !== text.trim()) return undefined;
  const ms = parts.reduce((sum, part) => sum + Number(part[1]) * SECONDS[part[2] as keyof typeof SECONDS], 0);
  return Number.isFinite(ms) ? Math.round(ms * 1000) / 1000 : undefined;
}

/** The shortest exact duration of milliseconds: `50ms`, `1.5s`, `2m`. */
export function renderDuration(ms: number): string {
  if (ms >= 3600e3 && ms % 3600e3 === 0) return `${ms / 3600e3}h`;
  if (ms >= 60e3 && ms % 60e3 === 0) return `${ms / 60e3}m`;
  return ms >= 1000 ? `${ms / 1000}s` : `${ms}ms`;
}

/** A duration for a reader, from seconds: `420 ms`, `3.4 s`, `2 min 10 s`, `5 h`. */
export function formatSeconds(seconds: number): string {
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 119.5) return `${Math.round(seconds)} s`;
  if (seconds < 5970) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
  return `${Math.round(seconds / 3600)} h`;
}
