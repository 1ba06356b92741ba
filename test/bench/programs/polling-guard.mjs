// The usual way: reads the use every so often and answers with what it saw last.
// Arguments: cgroup directory, version, limit in bytes, shed ratio, period in ms, time of the first look in ms, port.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';

const [directory, version, limitBytes, shedRatio, periodMs, firstMs, port = '0'] = process.argv.slice(2);
const usage = version === '1' ? 'memory.usage_in_bytes' : 'memory.current';
const prefix = version === '1' ? 'total_' : '';
let ready = true;

function look() {
  setTimeout(look, Number(periodMs));
  const stat = readFileSync(`${directory}/memory.stat`, 'latin1');
  const of = (key) => Number(stat.match(new RegExp(`^${prefix}${key} (\\d+)`, 'm'))?.[1] ?? 0);
  const held =
    Number(readFileSync(`${directory}/${usage}`, 'latin1')) - of('inactive_file') - of('active_file');
  ready = held < Number(shedRatio) * Number(limitBytes);
}
setTimeout(look, Number(firstMs));

const server = createServer((_request, response) => {
  const body = JSON.stringify({ ready });
  response.writeHead(ready ? 200 : 503, {
    'Content-Type': 'application/json',
    'Content-Length': body.length,
  });
  response.end(body);
});
server.listen(Number(port), '127.0.0.1', () => {
  process.stdout.write(`listening on http://127.0.0.1:${server.address().port}\n`);
});
