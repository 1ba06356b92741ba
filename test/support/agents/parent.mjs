// Starts a tool that eats memory until the kernel ends it, and lives on. Prints `tool SIGNAL` then.
import { spawn } from 'node:child_process';

// the tool offers itself as the victim, so that it is never the parent
const greedy = `
  require('node:fs').writeFileSync('/proc/self/oom_score_adj', '1000');
  const kept = [];
  setInterval(() => kept.push(Buffer.alloc(1 << 20, 1)), 5);
`;
const tool = spawn(process.execPath, ['-e', greedy], { stdio: 'ignore' });
tool.on('exit', (_code, signal) => process.stdout.write(`tool ${signal}\n`));
setInterval(() => {}, 1000);
