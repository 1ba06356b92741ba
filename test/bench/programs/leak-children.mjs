// A tool server is started for every task, and none is ended.
// names: children ×
import { spawn } from 'node:child_process';

const servers = [];
const program = `const held = Buffer.alloc(8 << 20, 1); process.stdin.on('end', () => process.exit()).resume(); setInterval(() => held.length, 1000);`;

function startToolServer() {
  servers.push(spawn(process.execPath, ['-e', program], { stdio: ['pipe', 'ignore', 'ignore'] }));
}

setInterval(startToolServer, 1000);
