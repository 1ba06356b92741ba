import { describe, expect, it } from 'vitest';
import { certificateNeed } from '../../../../src/core/inject/certificate.ts';

const DAY = 24 * 3600e3;
const years = { fromMs: 0, untilMs: 3650 * DAY };

describe('a certificate', () => {
  it('is made where there is none', () => {
    expect(certificateNeed({ authority: undefined, serving: undefined }, 0)).toBe('authority');
    expect(certificateNeed({ authority: years, serving: undefined }, DAY)).toBe('certificate');
  });

  it('is renewed after two thirds of its life, and its authority after two thirds of that one’s', () => {
    const serving = { fromMs: 0, untilMs: 90 * DAY };
    const at = (nowMs: number) => certificateNeed({ authority: years, serving }, nowMs);
    expect([at(0), at(60 * DAY - 1), at(60 * DAY), at(91 * DAY)]).toEqual([
      'nothing',
      'nothing',
      'certificate',
      'certificate',
    ]);
    expect(certificateNeed({ authority: years, serving: years }, 2434 * DAY)).toBe('authority');
  });

  it('is made anew when it is not valid yet: a clock was wrong', () => {
    const later = { fromMs: 10 * DAY, untilMs: 100 * DAY };
    expect(certificateNeed({ authority: years, serving: later }, DAY)).toBe('certificate');
    expect(certificateNeed({ authority: later, serving: later }, DAY)).toBe('authority');
  });
});
