import { expect, it } from 'vitest';
import { startUnderSignal } from '../support/node-startup.ts';

it('kills none of five hundred starting Node programs', async () => {
  expect(await startUnderSignal(500)).toEqual({ died: 0, signalled: 500 });
}, 600_000);
