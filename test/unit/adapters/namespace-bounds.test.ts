import { describe, expect, it, onTestFinished } from 'vitest';
import { createBoundsReader } from '../../../src/adapters/namespace-bounds.ts';
import { startWebhookApi } from '../../support/webhook-api.ts';

const path = (namespace: string, resource: string) => `/api/v1/namespaces/${namespace}/${resource}`;

async function reading(lists: Record<string, unknown[]> = {}) {
  const api = await startWebhookApi();
  Object.assign(api.state.lists, lists);
  const problems: string[] = [];
  const reader = createBoundsReader(api.apiServer, '1', (problem) => problems.push(problem));
  onTestFinished(() => reader.close());
  return { ...reader, state: api.state, problems };
}

const quota = { metadata: { name: 'q' } };
const tight = { [path('tight', 'resourcequotas')]: [quota], [path('tight', 'limitranges')]: [] };
const roomy = { [path('roomy', 'resourcequotas')]: [], [path('roomy', 'limitranges')]: [] };

describe('a reader of quotas and limit ranges', () => {
  it('asks about a namespace that has some each time, and once for all who ask at the same time', async () => {
    const { read, state } = await reading(tight);
    const together = await Promise.all([read('tight'), read('tight'), read('tight')]);
    expect(together).toEqual(Array(3).fill({ quotas: [quota], limitRanges: [] }));
    expect(state.requests).toHaveLength(2);
    await read('tight');
    expect(state.requests).toHaveLength(4);
  });

  it('does not ask again at once about a namespace that has none', async () => {
    const { read, state } = await reading(roomy);
    for (let i = 0; i < 5; i++) await read('roomy');
    expect(state.requests).toHaveLength(2);
  });

  it('knows nothing where it is refused or not answered, soon, and says so once', async () => {
    const { read, state, problems } = await reading(tight);
    state.fault = () => ({ status: 403 });
    expect([await read('tight'), await read('other')]).toEqual([undefined, undefined]);
    expect(problems).toEqual([expect.stringContaining('list resourcequotas')]);
    state.fault = () => 'hang';
    const startMs = performance.now();
    expect(await read('tight')).toBeUndefined();
    expect(performance.now() - startMs).toBeLessThan(900);
    expect(problems).toHaveLength(2);
    state.fault = undefined;
    expect(await read('tight')).toEqual({ quotas: [quota], limitRanges: [] });
  });

  it('asks about so many namespaces at a time and no more', async () => {
    const { read, state } = await reading();
    state.fault = () => 'hang';
    await Promise.all(Array.from({ length: 200 }, (_, i) => read(`agents-${i}`)));
    expect(new Set(state.requests.map((request) => request.split('/')[4])).size).toBeLessThanOrEqual(32);
  });
});
