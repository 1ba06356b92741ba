// Ends after --after ms with --code.
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: { after: { type: 'string', default: '300' }, code: { type: 'string', default: '0' } },
});
setTimeout(() => process.exit(Number(values.code)), Number(values.after));
