import processes from 'node:child_process';
import { syncBuiltinESMExports } from 'node:module';

// tests of the tier `unit` start no process: those that do belong to the tier `process` (vitest.config.ts)
for (const name of ['exec', 'execFile', 'execFileSync', 'execSync', 'fork', 'spawn', 'spawnSync'])
  Object.assign(processes, {
    [name](command: unknown): never {
      throw new Error(`a test of the tier "unit" starts ${command}: see PROCESSES in vitest.config.ts`);
    },
  });
syncBuiltinESMExports();
