// A user's debugger: attaches to the inspector at PORT, with `pause` it pauses the program until it gets SIGUSR2. Says what
// it did, stays until it is ended; `closed` when it was thrown out.
import http from 'node:http';
import { createRequire } from 'node:module';

const WebSocket = createRequire(import.meta.url)('ws');
const [port, pause] = process.argv.slice(2);
http.get(`http://127.0.0.1:${port}/json/list`, async (answer) => {
  let text = '';
  for await (const chunk of answer) text += chunk;
  const socket = new WebSocket(JSON.parse(text)[0].webSocketDebuggerUrl);
  socket.on('open', () => {
    socket.send(JSON.stringify({ id: 1, method: 'Runtime.enable' }));
    socket.send(JSON.stringify({ id: 2, method: 'Debugger.enable' }));
    // not by Debugger.pause: every fourth program paused by that never goes on, with nobody else near (20 to 26)
    const expression = pause ? 'setTimeout(() => { debugger; }, 50); 1' : '1';
    socket.send(JSON.stringify({ id: 4, method: 'Runtime.evaluate', params: { expression } }));
  });
  socket.on('message', (data) => {
    const { id, method } = JSON.parse(String(data));
    if (method === 'Debugger.paused') console.log('paused');
    if (id === 4 && !pause) console.log('attached');
    if (method === 'Debugger.resumed') console.log('resumed');
  });
  process.on('SIGUSR2', () => socket.send(JSON.stringify({ id: 5, method: 'Debugger.resume' })));
  socket.on('close', () => console.log('closed'));
});
setInterval(() => {}, 1000);
