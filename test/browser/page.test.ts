import axe from 'axe-core';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LEVELS, type Status } from '../../src/core/model/status.ts';
import { CHROMIUM, launch, openTab, startPrefixProxy } from '../support/browser.ts';
import {
  CLI,
  MIB,
  rssMiB,
  startCli,
  startGuardian,
  startTidal,
  TIDAL_AGENT,
  TIDAL_OPTIONS,
  until,
} from '../support/cli.ts';
import { startServer } from '../support/http-server.ts';
import { statusWith } from '../support/status.ts';

const LACKS = CHROMIUM === undefined ? 'no Chromium: install it or set TEST_CHROMIUM' : undefined;
const describeBrowser = (name: string, run: () => void) =>
  LACKS ? describe.skip(`${name} (${LACKS})`, run) : describe(name, run);
const PHONE = { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true };

const text = (page: Page, id: string) => page.locator(`#${id}`).innerText();
const shows = (page: Page, id: string, what: RegExp, withinMs = 10_000) =>
  expect.poll(() => text(page, id), { timeout: withinMs }).toMatch(what);

/** What axe-core finds wrong with the page as it stands. */
async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  return page.evaluate(async () => {
    const { violations } = await (
      globalThis as unknown as { axe: { run(): Promise<{ violations: Violation[] }> } }
    ).axe.run();
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
  });
}
interface Violation {
  id: string;
  nodes: { html: string }[];
}

/** How many pixels of the chart are not empty. */
const inkInChart = (page: Page) =>
  page.evaluate(() => {
    const canvas = document.querySelector<HTMLCanvasElement>('#chart canvas');
    const data = canvas?.getContext('2d')?.getImageData(0, 0, canvas.width, canvas.height).data ?? [];
    let ink = 0;
    for (let i = 3; i < data.length; i += 4) if (data[i] !== 0) ink++;
    return ink;
  });

describeBrowser("the guardian's page", () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launch();
  });
  afterAll(() => browser.close());

  it('should show changes of level while they happen, asking nobody but the guardian', async () => {
    const guardian = await startTidal();
    const { page, origins, problems } = await openTab(browser, `http://127.0.0.1:${guardian.port}/`);
    await shows(page, 'level-word', /^OK$/);
    await shows(page, 'connection', /^Live$/);
    await shows(page, 'legend', /Limit 320 MiB/);
    expect(await text(page, 'who')).toMatch(/pid \d+/);
    expect(await text(page, 'announce')).toBe('');
    expect(await inkInChart(page)).toBeGreaterThan(1000);

    guardian.turn();
    await shows(page, 'level-word', /^Shedding$/);
    await shows(page, 'readiness', /^Not ready/);
    expect(await text(page, 'announce')).toMatch(/^Level Shedding\. Not ready/);
    await shows(page, 'transitions', /→ Shedding at \d\d %/);
    expect(await page.title()).toMatch(/^◆ \d\d % Shedding/);

    guardian.turn();
    await shows(page, 'level-word', /^OK$/);
    await shows(page, 'transitions', /Shedding → OK[\s\S]*→ Shedding/);
    expect([...origins]).toEqual([`http://127.0.0.1:${guardian.port}`]);
    expect(problems).toEqual([]);
  });

  it('should say that it is not live while the guardian is away, and go on with the next one', async () => {
    const first = await startTidal();
    const { page, problems } = await openTab(browser, `http://127.0.0.1:${first.port}/`);
    first.turn();
    await shows(page, 'transitions', /→ Shedding at/);
    await shows(page, 'level-word', /^Shedding$/);
    first.child.kill('SIGKILL');
    await first.ended;
    await shows(page, 'connection', /^Not live$/);
    await shows(page, 'stale', /No data from the guardian for \d+ s/);
    await shows(page, 'level-word', /^Unknown$/);
    expect(await page.title()).not.toMatch(/Shedding|%/);

    const { child, text: said } = startCli([
      'run',
      '--listen',
      `127.0.0.1:${first.port}`,
      ...TIDAL_OPTIONS,
      '--',
      ...TIDAL_AGENT,
    ]);
    await until(() => said.err.includes('listening'), `it listens: ${said.err}`);
    await shows(page, 'connection', /^Live$/, 20_000);
    await shows(page, 'level-word', /^OK$/);
    expect(await page.locator('#stale').isVisible()).toBe(false);
    // what led there is still told
    expect(await text(page, 'transitions')).toMatch(/→ Shedding at/);
    expect(child.exitCode).toBeNull();
    expect(problems).toEqual([]);
  });

  it('should show each death when it comes', async () => {
    const command = ['node', '-e', 'setTimeout(() => process.exit(3), 1500)'];
    const guardian = await startGuardian('run', ['--restart', 'always', '--', ...command]);
    const { page } = await openTab(browser, `http://127.0.0.1:${guardian.port}/`);
    await shows(page, 'readiness', /^Not ready/, 20_000);
    for (let deaths = 1; deaths <= 3; deaths++) {
      await until(async () => (await guardian.status()).lastDeath !== null, 'the first has died');
      await expect
        .poll(() => page.locator('#deaths li').count(), { timeout: 20_000 })
        .toBeGreaterThanOrEqual(deaths);
      const told = (await guardian.status()).lastDeath?.id ?? '';
      await expect.poll(() => page.locator(`#deaths a[href$="${told}"]`).count(), { timeout: 2500 }).toBe(1);
    }
  });

  it('should rest while its tab is hidden, and catch up when it is seen again', async () => {
    const guardian = await startTidal();
    const streams = async () =>
      Number(/^spillway_stream_clients (\d+)/m.exec(await (await guardian.get('/metrics')).text())?.[1]);
    const { page } = await openTab(browser, `http://127.0.0.1:${guardian.port}/`);
    await shows(page, 'connection', /^Live$/);
    expect(await streams()).toBe(1);
    const setHidden = (hidden: boolean) =>
      page.evaluate((now) => {
        Object.defineProperty(document, 'hidden', { value: now, configurable: true });
        document.dispatchEvent(new Event('visibilitychange'));
      }, hidden);
    await setHidden(true);
    await until(async () => (await streams()) === 0, 'the stream is let go');
    guardian.turn();
    await until(async () => (await guardian.status()).level === 'shedding', 'it sheds');
    guardian.turn();
    await until(async () => (await guardian.status()).level === 'ok', 'it has recovered');
    await setHidden(false);
    await shows(page, 'connection', /^Live$/);
    await shows(page, 'transitions', /Shedding → OK[\s\S]*→ Shedding/);
  });

  it('should work below a path, and through a connection that breaks', async () => {
    const guardian = await startTidal();
    const proxy = await startPrefixProxy(guardian.port, '/api/v1/namespaces/x/pods/y:9797/proxy/');
    const { page, problems } = await openTab(browser, proxy.url);
    await shows(page, 'connection', /^Live$/);
    proxy.setDown(true);
    await shows(page, 'connection', /^Not live$/);
    proxy.setDown(false);
    await shows(page, 'connection', /^Live$/, 20_000);
    expect(proxy.asked.filter((url) => !url.startsWith('/api/v1/namespaces/x/pods/y:9797/proxy/'))).toEqual(
      [],
    );
    expect(problems).toEqual([]);
  });

  it.each([
    ['light', {}],
    ['dark', {}],
    ['light', PHONE],
  ] as const)('should leave axe-core nothing to find (%s, %o)', async (colorScheme, options) => {
    const guardian = await startTidal();
    const { page } = await openTab(browser, `http://127.0.0.1:${guardian.port}/`, {
      ...options,
      colorScheme,
    });
    for (const level of [/^OK$/, /^Shedding$/]) {
      await shows(page, 'level-word', level);
      await page.locator('#numbers').evaluate((details) => details.setAttribute('open', ''));
      await page.locator('#numbers-table tbody tr').first().waitFor();
      expect(await violations(page)).toEqual([]);
      guardian.turn();
    }
    await guardian.child.kill('SIGKILL');
    await shows(page, 'connection', /^Not live$/);
    expect(await violations(page)).toEqual([]);
  });

  it('should leave axe-core nothing to find when every panel is full', async () => {
    for (const colorScheme of ['light', 'dark'] as const) {
      const { page } = await openWith(browser, FULL, { colorScheme });
      await shows(page, 'growth', /remember/);
      await shows(page, 'collections', /freed 38\.0 MiB/);
      await shows(page, 'deaths', /OOM killed/);
      expect(await violations(page)).toEqual([]);
    }
  });

  it('should wear the colours that are asked for', async () => {
    const guardian = await startTidal();
    const { page } = await openTab(browser, `http://127.0.0.1:${guardian.port}/`, { colorScheme: 'light' });
    const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const brightness = async () => Number(/\d+/.exec(await ground())?.[0]);
    expect(await brightness()).toBeGreaterThan(200);
    await page.emulateMedia({ colorScheme: 'dark' });
    expect(await brightness()).toBeLessThan(50);
  });

  it('should fit a phone and a long name without scrolling sideways', async () => {
    const name = 'x'.repeat(300);
    const { page } = await openWith(
      browser,
      { agent: { pid: 1, name, runtime: 'node', restarts: 0 }, reason: name },
      PHONE,
    );
    await shows(page, 'who', /xxx/);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
  });

  it('should be used by keyboard, with the focus in sight', async () => {
    const guardian = await startTidal();
    const { page } = await openTab(browser, `http://127.0.0.1:${guardian.port}/`);
    await shows(page, 'connection', /^Live$/);
    const focused = () => page.evaluate(() => document.activeElement?.outerHTML.slice(0, 60) ?? '');
    await page.keyboard.press('Tab');
    expect(await focused()).toMatch(/name="range"/);
    const outline = () =>
      page.evaluate(
        () => getComputedStyle(document.activeElement?.nextElementSibling ?? document.body).outlineStyle,
      );
    expect(await outline()).toBe('solid');
    await page.keyboard.press('ArrowRight');
    expect(await page.locator('input[value="120"]').isChecked()).toBe(true);
    await page.keyboard.press('Tab');
    expect(await focused()).toMatch(/^<summary/);
    await page.keyboard.press('Enter');
    await page.locator('#numbers-table tbody tr').first().waitFor();
    expect(await text(page, 'numbers-table')).toMatch(/320 MiB/);
  });

  it('should write what programs are called, and never run it', async () => {
    const evil = '<img src=x onerror="document.title=\'owned\'"><script>document.title="owned"</script>';
    const { page, problems } = await openWith(browser, {
      reason: evil,
      agent: { pid: 1, name: evil, runtime: 'node', restarts: 0 },
      degraded: [{ code: 'shared_cgroup', message: evil, hint: evil }],
      advice: [{ code: 'events_forbidden', message: evil, hint: evil }],
      growth: {
        at: new Date().toISOString(),
        note: evil,
        kinds: [],
        sites: [
          { name: evil, kind: 'function', file: evil, line: 1, package: evil, bytes: 1, growthBytes: 1 },
        ],
        sampledMs: null,
      },
    });
    for (const id of ['who', 'reason', 'growth', 'agent']) await shows(page, id, /<img src=x/);
    expect(await page.locator('img').count()).toBe(0);
    expect(await page.locator('script').count()).toBe(1);
    expect(await page.title()).toMatch(/<img/);
    expect(problems).toEqual([]);
  });

  it('should let no foreign script or style run', async () => {
    const guardian = await startTidal();
    const { page, problems } = await openTab(browser, `http://127.0.0.1:${guardian.port}/`);
    const ran = await page.evaluate(async () => {
      const script = document.createElement('script');
      let refusal = '';
      try {
        script.textContent = 'window.foreign = 1';
        document.body.append(script);
      } catch (error) {
        refusal = String(error);
      }
      await fetch('http://127.0.0.1:9/').catch(() => undefined);
      return { refusal, foreign: (globalThis as { foreign?: number }).foreign };
    });
    expect(ran).toEqual({ refusal: expect.stringMatching(/TrustedScript/) });
    expect(problems.length).toBeGreaterThanOrEqual(2);
  });

  it('should say in words what there is without JavaScript', async () => {
    const guardian = await startTidal();
    const { page } = await openTab(browser, `http://127.0.0.1:${guardian.port}/`, {
      javaScriptEnabled: false,
    });
    expect(await page.locator('noscript').innerText()).toMatch(/needs JavaScript.*v1\/status/);
  });

  it('should cost the guardian little memory, and none that stays', async () => {
    const guardian = await startGuardian('run', [...TIDAL_OPTIONS, '--', ...TIDAL_AGENT]);
    await new Promise((resolve) => setTimeout(resolve, 2000));
    const before = rssMiB(guardian.pid);
    const { page } = await openTab(browser, `http://127.0.0.1:${guardian.port}/`);
    await shows(page, 'connection', /^Live$/);
    for (let i = 0; i < 10; i++) await page.reload();
    await shows(page, 'connection', /^Live$/);
    const seen = rssMiB(guardian.pid);
    await page.close();
    await new Promise((resolve) => setTimeout(resolve, 2000));
    console.log(
      `RSS before ${before.toFixed(1)}, after 11 views ${seen.toFixed(1)}, 2 s later ${rssMiB(guardian.pid).toFixed(1)} MiB`,
    );
    expect(seen - before).toBeLessThan(12);
  });
});

const AT = new Date().toISOString();
const FULL: Partial<Status> = {
  level: 'critical',
  ready: false,
  degraded: [{ code: 'shared_cgroup', message: 'a reason why it sees less', hint: 'a hint' }],
  advice: [{ code: 'heap_limit_too_high', message: 'too high', hint: 'set this' }],
  growth: {
    at: AT,
    note: 'Heap: 181 MiB (+40 MiB).',
    kinds: [],
    sites: [
      {
        name: 'remember',
        kind: 'function',
        file: 'src/memory.ts',
        line: 40,
        package: null,
        bytes: 9,
        growthBytes: 9,
      },
    ],
    sampledMs: 5000,
  },
};

/** The page of a server whose status says something special. */
async function openWith(browser: Browser, changes: Parameters<typeof statusWith>[0], options = {}) {
  const status = statusWith({ ...changes, since: new Date().toISOString() });
  const server = await startServer({
    page: CLI.replace(/spillway\.js$/, 'page.html'),
    status: () => status,
    history: () => ({
      readings: [],
      transitions: LEVELS.map((to) => ({
        at: AT,
        from: 'warning',
        to,
        ratio: 0.8,
        reason: 'use is at 80 %',
      })),
      thresholds: { warnRatio: 0.75, shedRatio: 0.85, criticalRatio: 0.92, recoverMargin: 0.05 },
      collections: [
        {
          at: AT,
          verdict: 'freed',
          way: 'fast',
          trigger: 'use is at 76 %',
          freedBytes: 38 * MIB,
          stallMs: 90,
          hint: null,
        },
      ],
      deaths: [{ id: 'a', at: AT, cause: 'oom-killed', reason: 'Killed.' }],
      guardian: { version: '0' },
    }),
  });
  const beat = setInterval(
    () => server.publish({ event: 'reading', data: { at: new Date().toISOString() } }),
    500,
  );
  const tab = await openTab(browser, `http://127.0.0.1:${server.port}/`, options);
  tab.page.once('close', () => clearInterval(beat));
  return tab;
}
