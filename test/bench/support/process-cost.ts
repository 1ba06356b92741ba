import { readdirSync, readFileSync } from 'node:fs';

/** CPU used by all living threads of a process, in milliseconds. From schedstat (nanoseconds), as `stat` counts in steps of 10 ms. */
export function cpuMs(pid: number): number {
  let sum = 0;
  for (const task of readdirSync(`/proc/${pid}/task`))
    sum += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'latin1').split(' ')[0]);
  return sum / 1e6;
}

/** Resident memory of a process and its parts, in MiB. */
export function residentMiB(pid: number): { rss: number; anon: number; file: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  const of = (key: string) => Number(new RegExp(`^${key}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0) / 1024;
  return { rss: of('VmRSS'), anon: of('RssAnon'), file: of('RssFile') };
}
