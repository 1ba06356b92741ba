// A neighbour with too many connections. Whatever is cut off is opened again, as often as it takes.
//   node crowd.mjs idle HOST PORT COUNT          a third say nothing, a third begin a request, a third follow the stream
//   node crowd.mjs upload HOST PORT COUNT BYTES  requests for admission over TLS that stop one byte before their end
// Says "there" once all were open; and every second after that, how many are.
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';

const [kind, host, port, count, bytes = 0] = process.argv.slice(2);
let open = 0;
let said = false;

const firstWords = (i) =>
  i % 3 === 0
    ? ''
    : i % 3 === 1
      ? 'GET /readyz HTTP/1.1\r\nHost: '
      : 'GET /v1/stream HTTP/1.1\r\nHost: a\r\n\r\n';

function again(i) {
  let isOpen = false;
  const target = { host, port: Number(port), rejectUnauthorized: false };
  const socket = kind === 'upload' ? connectTls(target) : connect(target);
  socket.once(kind === 'upload' ? 'secureConnect' : 'connect', () => {
    isOpen = true;
    open++;
    if (open >= Number(count) && !said) {
      said = true;
      console.log('there');
    }
    if (kind === 'upload') {
      socket.write(
        `POST /inject HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: ${bytes}\r\n\r\n`,
      );
      socket.write(Buffer.alloc(Number(bytes) - 1, ' '));
    } else socket.write(firstWords(i));
  });
  socket.resume().on('error', () => {});
  socket.once('close', () => {
    if (isOpen) open--;
    setTimeout(again, kind === 'upload' ? 100 : 1000, i);
  });
}

for (let i = 0; i < Number(count); i++) setTimeout(again, i / 2, i);
setInterval(() => console.log(said ? `${open} open` : `not there yet: ${open} open`), 1000);
