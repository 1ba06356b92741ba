import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { configCommand } from '../../../src/commands/config.ts';
import { OPTION_LIST } from '../../../src/config/options.ts';
import { resolveConfig } from '../../../src/config/resolve.ts';

async function output(options: { schema?: boolean; json?: boolean } = {}): Promise<string> {
  const resolved = await resolveConfig({
    flags: { limit: '512Mi' },
    env: {
      SPILLWAY_WEBHOOK_URL: 'https://me:hunter2@alerts.example/x?token=hunter2',
      SPILLWAY_ADMIN_TOKEN: 'hunter2hunter2',
    },
  });
  let written = '';
  await configCommand(resolved, options, (text) => {
    written += text;
  });
  return written;
}

describe('spillway config', () => {
  it('prints a configuration file with the origin of each value and no secret', async () => {
    const text = await output();
    expect(text).toMatch(/^limit: "512Mi" +# flag --limit$/m);
    expect(text).toMatch(/^shedRatio: 0\.85 +# default$/m);
    expect(text).toMatch(/^webhookUrl: .* {2}# environment SPILLWAY_WEBHOOK_URL$/m);
    expect(text).toMatch(/^adminToken: "\*{3}" +# environment SPILLWAY_ADMIN_TOKEN$/m);
    expect(text).toMatch(/^# recordDir: +# default$/m);
    expect(text).not.toContain('hunter2');
    expect(parse(text)).toMatchObject({ limit: '512Mi', hold: '5s' });
  });

  it('prints the same as JSON', async () => {
    const values = JSON.parse(await output({ json: true }));
    expect(Object.keys(values)).toEqual(OPTION_LIST.map(([key]) => key));
    expect(values.limit).toEqual({ value: '512Mi', origin: 'flag --limit' });
    expect(values.recordDir).toEqual({ value: null, origin: 'default' });
    expect(JSON.stringify(values)).not.toContain('hunter2');
  });

  it('prints the JSON schema', async () => {
    expect(JSON.parse(await output({ schema: true }))).toMatchObject({
      type: 'object',
      additionalProperties: false,
    });
  });
});
