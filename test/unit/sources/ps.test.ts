import { describe, expect, it } from 'vitest';
import { SpillwayError } from '../../../src/core/lib/errors.ts';
import { listWithPs, parsePs } from '../../../src/sources/ps.ts';

describe('ps', () => {
  it('lists this process', async () => {
    const own = (await listWithPs()).get(process.pid);
    expect(own?.ppid).toBe(process.ppid);
    expect(own?.rssBytes).toBeGreaterThan(10e6);
  });

  it('reads the columns of macOS, whose commands hold spaces', () => {
    const text =
      '    1     0  12345 /sbin/launchd\n  812     1 200000 /Applications/My App.app/Contents/MacOS/My App\n  900   812      0 \n';
    expect([...parsePs(text)]).toEqual([
      [1, { ppid: 0, rssBytes: 12345 * 1024, comm: '/sbin/launchd' }],
      [812, { ppid: 1, rssBytes: 200000 * 1024, comm: '/Applications/My App.app/Contents/MacOS/My App' }],
      [900, { ppid: 812, rssBytes: 0, comm: '' }],
    ]);
  });

  it('names a line that is none', () => {
    expect(() => parsePs('  PID  PPID\n')).toThrow(SpillwayError);
    expect(() => parsePs('  PID  PPID\n')).toThrow(/PID {2}PPID/);
  });
});
