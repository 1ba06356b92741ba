import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';
import type { Status } from '../../src/core/model/status.ts';
import { CLI, cleanEnv, freePort, until } from '../support/cli.ts';

/** What `.ci/frameworks` has fetched. */
const FOLDER = process.env['TEST_FRAMEWORKS'] ?? '';
const place = FOLDER === '' ? '' : mkdtempSync(join(FOLDER, 'agents-'));
afterAll(() => place !== '' && rmSync(place, { recursive: true }));

const ENDS = `process.on('SIGTERM', () => { server.close(() => process.exit(3)); server.closeAllConnections(); });`;
const FILES = {
  'koa.cjs': `
    const { PassThrough } = require('node:stream'), Koa = require('koa');
    const app = new Koa();
    app.use((context) => {
      if (context.path !== '/stream') { context.body = { path: context.path }; return; }
      const body = context.body = new PassThrough();
      let n = 0;
      const timer = setInterval(() => { body.write(n++ + ' '); if (n === 5) { clearInterval(timer); body.end(); } }, 20);
    });
    const server = app.listen(process.env.PORT, () => console.log('listens')); ${ENDS}`,
  'express.cjs': `
    const express = require('express'), app = express();
    app.get('/stream', (_, response) => {
      let n = 0;
      const timer = setInterval(() => { response.write(n++ + ' '); if (n === 5) { clearInterval(timer); response.end(); } }, 20);
    });
    app.post('/', express.json(), (request, response) => response.status(201).json(request.body));
    app.get('/', (_, response) => response.json({}));
    const server = app.listen(process.env.PORT, () => console.log('listens')); ${ENDS}`,
  'nest.cjs': `
    require('reflect-metadata');
    const { Controller, Get, Module, Sse } = require('@nestjs/common'), { NestFactory } = require('@nestjs/core');
    const { interval, map, take } = require('rxjs');
    class Routes { root() { return { ok: true }; } stream() { return interval(20).pipe(take(5), map((n) => ({ data: { n } }))); } }
    const route = (decorator, name) => decorator(Routes.prototype, name, Object.getOwnPropertyDescriptor(Routes.prototype, name));
    route(Get(), 'root'); route(Sse('stream'), 'stream'); Controller()(Routes);
    class App {} Module({ controllers: [Routes] })(App);
    const adapter = process.argv[2] === 'fastify' ? [new (require('@nestjs/platform-fastify').FastifyAdapter)()] : [];
    NestFactory.create(App, ...adapter, { logger: false }).then(async (app) => {
      app.enableShutdownHooks();
      await app.listen(process.env.PORT);
      console.log('listens');
    });`,
  'calls.cjs': `
    const http = require('node:http');
    const other = http.createServer((_, response) => response.end('other')).listen(0);
    const server = http.createServer(async (_, response) => {
      response.end(await (await fetch('http://127.0.0.1:' + other.address().port)).text());
    }).listen(process.env.PORT, () => console.log('listens'));
    process.on('SIGTERM', () => setTimeout(() => process.exit(3), 500));`,
  'next/own.cjs': 'globalThis.own = true;',
  'next/app/api/route.js': `
    export const dynamic = 'force-dynamic';
    export const GET = () => Response.json({ own: globalThis.own === true });`,
  'next/app/stream/route.js': `
    export const dynamic = 'force-dynamic';
    export const GET = () => {
      let n = 0;
      return new Response(new ReadableStream({
        async pull(to) { await new Promise((go) => setTimeout(go, 20)); to.enqueue(String(n)); if (++n === 5) to.close(); },
      }));
    };`,
};
if (place !== '')
  for (const [name, text] of Object.entries(FILES)) {
    mkdirSync(dirname(join(place, name)), { recursive: true });
    writeFileSync(join(place, name), text);
  }

interface Agent {
  command: string[];
  env?: NodeJS.ProcessEnv;
  cwd?: string;
  paths?: string[];
  ready?: string;
  /** What it prints of itself, to be the same with and without a guardian. */
  printed?: RegExp;
  /** The hook is not in the process that serves. */
  unhooked?: boolean;
}

const node = process.execPath;
const bin = (name: string) => join(FOLDER, 'node_modules', name);
const NEXT = {
  command: [node, bin('next/dist/bin/next'), 'dev', '--turbopack'],
  ...{ cwd: 'next', paths: ['/api', '/stream'], ready: 'Ready in', env: { NEXT_TELEMETRY_DISABLED: '1' } },
};
const otel = { OTEL_TRACES_EXPORTER: 'console', OTEL_METRICS_EXPORTER: 'none', OTEL_LOGS_EXPORTER: 'none' };
const datadog = {
  ...{ DD_TRACE_EXPERIMENTAL_EXPORTER: 'log', DD_TRACE_STARTUP_LOGS: 'false' },
  ...{ DD_INSTRUMENTATION_TELEMETRY_ENABLED: 'false', DD_REMOTE_CONFIGURATION_ENABLED: 'false' },
};
const agents: Record<string, Agent> = {
  Koa: { command: [node, 'koa.cjs'] },
  Express: { command: [node, 'express.cjs'] },
  'NestJS on Express': { command: [node, 'nest.cjs'] },
  'NestJS on Fastify': { command: [node, 'nest.cjs', 'fastify'] },
  'what OpenTelemetry traces': {
    command: [node, '--require', '@opentelemetry/auto-instrumentations-node/register', 'calls.cjs'],
    ...{ env: { ...otel, OTEL_BSP_SCHEDULE_DELAY: '100' }, printed: /(?<= name: ')[^']+/g },
  },
  'what Datadog traces': {
    command: [node, '--require', 'dd-trace/init', 'calls.cjs'],
    ...{ env: datadog, printed: /(?<="name":")[\w.]+/g },
  },
  'pm2-runtime': { command: [node, bin('pm2/bin/pm2-runtime'), 'express.cjs'], printed: /(?<=code )\[\d\]/g },
  'pm2-runtime, cluster': {
    command: [node, bin('pm2/bin/pm2-runtime'), '-i', '2', 'express.cjs'],
    printed: /(?<=code )\[\d\]/g,
  },
  'next dev': NEXT,
  'next dev with --require of its own': {
    ...{ ...NEXT, paths: ['/api'], unhooked: true },
    env: { ...NEXT.env, NODE_OPTIONS: '--require ./own.cjs' },
  },
};

/** One life of an agent, as its clients and its runner see it. */
async function life(agent: Agent, guardianPort?: number) {
  const {
    command,
    env = {},
    cwd = '',
    paths = ['/', '/stream', '/none'],
    ready = 'listens',
    printed,
  } = agent;
  const port = await freePort();
  const guard = [
    node,
    CLI,
    'run',
    '--limit',
    '2Gi',
    '--log-level',
    'silent',
    '--admin-listen',
    '127.0.0.1:0',
  ];
  const guarded =
    guardianPort === undefined
      ? command
      : [...guard, '--listen', `127.0.0.1:${guardianPort}`, '--', ...command];
  const [file = '', ...args] = guarded;
  const child: ChildProcess = spawn(file, args, {
    cwd: join(place, cwd),
    env: cleanEnv({ ...env, PORT: `${port}`, PM2_HOME: join(place, 'pm2') }),
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const end = () => {
    try {
      process.kill(-(child.pid ?? 0), 'SIGKILL');
    } catch {
      // all of it has ended
    }
  };
  onTestFinished(end);
  const text = { out: '', err: '' };
  child.stdout?.setEncoding('utf8').on('data', (data) => (text.out += data));
  child.stderr?.setEncoding('utf8').on('data', (data) => (text.err += data));
  const ended = new Promise<number>((resolve) =>
    child.once('close', (code, signal) => resolve(code ?? 128 + constants.signals[signal ?? 'SIGKILL'])),
  );
  await until(() => text.out.includes(ready) || child.exitCode !== null, 'it listens', 60_000);
  const answers = [];
  for (const path of paths) {
    const { status, headers, body } = await fetch(`http://127.0.0.1:${port}${path}`).then(
      async (answer) => ({
        ...{ status: answer.status, headers: new Headers(answer.headers) },
        body: await answer.text(),
      }),
      (error) => ({ status: 0, headers: new Headers(), body: `${error}: ${text.err}` }),
    );
    headers.delete('date');
    answers.push({ status, headers: Object.fromEntries(headers), body });
  }
  const requests = async () => {
    const { requests } = (await (await fetch(`http://127.0.0.1:${guardianPort}/v1/status`)).json()) as Status;
    return requests;
  };
  if (guardianPort !== undefined && !agent.unhooked)
    await until(async () => (await requests()) !== null, 'its requests are known');
  await new Promise((resolve) => setTimeout(resolve, 300)); // what is traced is exported
  child.kill('SIGTERM');
  const code = await ended;
  end();
  const told = printed === undefined ? [] : [...new Set(text.out.match(printed))].sort();
  return { answers, code, told, warned: /warning|listener/i.test(text.err) };
}

describe.skipIf(FOLDER === '')('a guarded agent answers, traces and ends as one without a guardian', () => {
  it.each(Object.entries(agents))('%s', { timeout: 180_000 }, async (_, agent) => {
    const alone = await life(agent);
    expect(alone.answers[0]?.status).toBe(200);
    if (agent.printed) expect(alone.told).not.toEqual([]);
    expect(await life(agent, await freePort())).toEqual(alone);
  });
});
