// An agent under SES: the primordials are frozen before its own code runs.
import { createRequire } from 'node:module';
import { join } from 'node:path';

createRequire(join(process.env.HARM_TOOLS, 'node_modules/'))('ses');
// @ts-expect-error: of SES
lockdown({ errorTaming: 'unsafe', consoleTaming: 'unsafe' });
await import('./node.mjs');
