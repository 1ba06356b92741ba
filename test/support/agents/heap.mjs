// Fills V8's heap with objects, --rate MB/s, until V8 aborts at its own limit.
import { parseArgs } from 'node:util';

const { values } = parseArgs({ options: { rate: { type: 'string', default: '25' } } });
const OBJECT_BYTES = 100; // an array of ten numbers with its header, about
const kept = [];
setInterval(() => {
  const objects = (Number(values.rate) * 1e6 * 0.02) / OBJECT_BYTES;
  for (let i = 0; i < objects; i++) kept.push(Array.from({ length: 10 }, () => i));
}, 20);
