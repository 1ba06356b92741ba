// A neighbour of the pod that means no good. neighbour.mjs PORT KIND COUNT [ADDRESS]: keeps so many connections that are idle, streams,
// half requests, or requests without waiting for an answer; each comes again a second or two after it is closed
import { connect } from 'node:net';

const [port, kind, count, localAddress = '127.0.0.2'] = process.argv.slice(2);
const request = (path) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;
const TEXTS = {
  idle: '',
  stream: request('/v1/stream'),
  half: 'GET /livez HTTP/1.1\r\nHost: x\r\nX-Half: ',
  pipeline: request('/v1/history').repeat(2000),
};

function open() {
  const socket = connect({ port: Number(port), host: '127.0.0.1', localAddress });
  const send = () => {
    if (kind === 'pipeline') while (!socket.destroyed && socket.write(TEXTS.pipeline));
    else if (TEXTS[kind]) socket.write(TEXTS[kind]);
  };
  socket
    .on('connect', send)
    .on('error', () => {})
    .resume();
  if (kind === 'pipeline') socket.on('drain', send);
  socket.on('close', () => setTimeout(open, 1000 + Math.random() * 1000));
}

for (let i = 0; i < Number(count); i++) open();
