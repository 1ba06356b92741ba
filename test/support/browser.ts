import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { onTestFinished } from 'vitest';
import { runs } from './compiled.ts';

/** The browser: `TEST_CHROMIUM`, or what the path has. */
export const CHROMIUM = [process.env['TEST_CHROMIUM'], 'chromium', 'chromium-browser', 'google-chrome'].find(
  (command) => command !== undefined && command !== '' && runs(command, '--version'),
);

/** Starts the browser. */
export function launch(): Promise<Browser> {
  // the sandbox wants rights that containers and root do not have
  return chromium.launch({
    executablePath: commandPath(CHROMIUM ?? ''),
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
  });
}

/** Playwright wants a path, not a name. */
function commandPath(command: string): string {
  if (command.includes('/')) return command;
  const found = (process.env['PATH'] ?? '')
    .split(':')
    .find((folder) => runs(`${folder}/${command}`, '--version'));
  return `${found}/${command}`;
}

/** A tab, and what went wrong in it. */
export interface Tab {
  page: Page;
  /** Origins asked, other than `data:`. */
  origins: Set<string>;
  /** Errors thrown in the page, and refusals of its policy. */
  problems: string[];
}

/** Opens an address in a tab of its own; closed with the test. */
export async function openTab(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<Tab> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  onTestFinished(() => context.close());
  const page = await context.newPage();
  const origins = new Set<string>();
  const problems: string[] = [];
  page.on('request', (asked) => {
    if (!asked.url().startsWith('data:')) origins.add(new URL(asked.url()).origin);
  });
  page.on('pageerror', (error) => problems.push(String(error)));
  page.on('console', (message) => {
    if (/Content.Security.Policy|Trusted/i.test(message.text())) problems.push(message.text());
  });
  await page.goto(url);
  return { page, origins, problems };
}

/** A proxy that serves another address below a path, as the API server does for pods; `setDown` cuts it off. */
export async function startPrefixProxy(port: number, prefix: string) {
  let down = false;
  const asked: string[] = [];
  const forward = (incoming: IncomingMessage, answer: ServerResponse) => {
    const url = incoming.url ?? '';
    asked.push(url);
    if (down) return void incoming.socket.destroy();
    if (!url.startsWith(prefix)) return void answer.writeHead(404).end();
    const { method, headers } = incoming;
    const path = url.slice(prefix.length - 1);
    const outgoing = request({ host: '127.0.0.1', port, path, method, headers }, (got) => {
      answer.writeHead(got.statusCode ?? 502, got.headers);
      got.pipe(answer);
    });
    outgoing.on('error', () => (answer.headersSent ? answer.destroy() : answer.writeHead(502).end()));
    answer.on('close', () => outgoing.destroy());
    incoming.pipe(outgoing);
  };
  const server = createServer(forward).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${prefix}`,
    asked,
    setDown(now: boolean) {
      down = now;
      if (now) server.closeAllConnections();
    },
  };
}
