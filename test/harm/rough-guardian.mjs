// Does all that a guardian must not do to a healthy agent, for the observer to see: it signals, opens the inspector,
// stops the program, answers 503, and ends the agent.
import { readdirSync } from 'node:fs';
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import WebSocket from 'ws';

let code = 200;
createServer((_request, response) => response.writeHead(code).end()).listen(9797, '127.0.0.1');

let pid;
while (!pid) {
  await sleep(200);
  pid = readdirSync(process.env.HARM_FOLDER)
    .filter((name) => name.startsWith('up-'))
    .map((name) => Number(name.slice(3)))[0];
}
await sleep(1000);
process.kill(pid, 'SIGUSR1');
await sleep(1000);
const [{ webSocketDebuggerUrl }] = await (await fetch('http://127.0.0.1:9229/json/list')).json();
const socket = new WebSocket(webSocketDebuggerUrl);
await new Promise((resolve) => socket.once('open', resolve));
// however fast this machine collects
const expression = 'for (const end = Date.now() + 500; Date.now() < end; ) ;';
socket.send(JSON.stringify({ id: 1, method: 'Runtime.evaluate', params: { expression } }));
await new Promise((resolve) => socket.once('message', resolve));
socket.close();
code = 503;
await sleep(1000);
process.kill(pid, 'SIGTERM');
