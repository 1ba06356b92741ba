import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { freePort, startGuardian, until } from '../support/cli.ts';
import { ask } from '../support/gated.ts';
import { describeWhere, LACKS as LACKS_CGROUP } from '../support/kernel.ts';

const LACKS = LACKS_CGROUP ?? (spawnSync('nginx', ['-v']).status === 0 ? undefined : 'no nginx');
/** Requests at once; each holds so much for a while: all of them would take 1.35 times the limit. */
const REQUESTS = 36;
const HELD_MIB = 12;
/** Until all have come, however slow the machine; or for a moment. */
const HELD_S = { long: 5, short: 0.3 };
const AGENT = `
import http.server, socketserver, sys, time
class Agent(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        held = bytearray(${HELD_MIB} * 2**20)
        for at in range(0, len(held), 4096): held[at] = 1
        time.sleep(float(sys.argv[1]))
        self.send_response(200); self.end_headers(); self.wfile.write(b'served')
    def log_message(self, *args): pass
class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    request_queue_size = 128
    daemon_threads = True
server = Server(('127.0.0.1', 0), Agent)
print('port', server.server_port, flush=True)
server.serve_forever()
`;

/** nginx as the reference shows it, before this agent and this guardian; its port. */
async function startNginx(agentPort: number, guardianPort: number): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'spillway-nginx-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const readme = readFileSync('src/exporters/README.md', 'utf8');
  const shown = /```nginx\n([\s\S]*?)```/.exec(readme)?.[1] ?? '';
  expect(shown).toContain('127.0.0.1:8080');
  expect(shown).toContain('127.0.0.1:9797');
  const port = await freePort();
  const config = join(directory, 'nginx.conf');
  writeFileSync(
    config,
    `daemon off; pid ${directory}/pid; error_log ${directory}/error.log;
    events { worker_connections 512; }
    http {
      access_log off;
      client_body_temp_path ${directory}/body; proxy_temp_path ${directory}/proxy;
      fastcgi_temp_path ${directory}/fastcgi; uwsgi_temp_path ${directory}/uwsgi; scgi_temp_path ${directory}/scgi;
      server {
        listen 127.0.0.1:${port} backlog=512;
        ${shown.replaceAll('127.0.0.1:8080', `127.0.0.1:${agentPort}`).replaceAll('127.0.0.1:9797', `127.0.0.1:${guardianPort}`)}
      }
    }`,
  );
  execFileSync('nginx', ['-t', '-c', config], { stdio: 'pipe' });
  const nginx = spawn('nginx', ['-c', config], { stdio: 'ignore' });
  onTestFinished(() => void nginx.kill());
  await until(async () => {
    const answer = await ask(port, '/nowhere').catch(() => null);
    return answer !== null;
  }, 'nginx answers');
  return port;
}

async function startAgent(held: keyof typeof HELD_S) {
  const guardian = await startGuardian('run', [
    '--limit',
    '320Mi',
    '--recycle',
    'off',
    '--',
    'python3',
    '-c',
    AGENT,
    String(HELD_S[held]),
  ]);
  await until(() => /port (\d+)/.test(guardian.text.out), 'the agent listens');
  return { guardian, agentPort: Number(/port (\d+)/.exec(guardian.text.out)?.[1]) };
}
const spike = (port: number) =>
  Promise.all(Array.from({ length: REQUESTS }, () => ask(port, '/work').catch(() => ({ status: 0 }))));
const served = (answers: { status: number }[]) => answers.filter(({ status }) => status === 200);

describeWhere('a spike on a Python agent', LACKS, () => {
  it('kills it', async () => {
    const { guardian, agentPort } = await startAgent('long');
    expect(served(await spike(agentPort)).length).toBeLessThan(REQUESTS);
    await until(() => guardian.events().includes('AgentOOMKilled'), 'the kill is reported');
  });

  it('is served through nginx as the reference shows it', async () => {
    const { guardian, agentPort } = await startAgent('short');
    const port = await startNginx(agentPort, guardian.port);
    expect(served(await spike(port))).toHaveLength(REQUESTS);
    expect((await guardian.status()).oomKills).toBe(0);
  });

  it('is forwarded by nginx where no guardian answers', async () => {
    const { agentPort } = await startAgent('short');
    const port = await startNginx(agentPort, await freePort());
    expect((await ask(port, '/work')).status).toBe(200);
  });
});
