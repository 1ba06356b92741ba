import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { startGuardian, until } from '../support/cli.ts';
import { fasterRules, LACKS_PROMETHEUS, promtool, RULES } from '../support/prometheus.ts';

const CASES = fileURLToPath(new URL('rules.test.yaml', import.meta.url));

interface Rules {
  groups: { rules: { alert?: string }[] }[];
}
interface Cases {
  tests: { alert_rule_test?: { alertname: string; exp_alerts?: object[] }[] }[];
}
const alerts = (parse(readFileSync(RULES, 'utf8')) as Rules).groups
  .flatMap(({ rules }) => rules)
  .flatMap(({ alert }) => alert ?? []);

it('each alert has a case in which it fires and one in which it does not', () => {
  const cases = (parse(readFileSync(CASES, 'utf8')) as Cases).tests.flatMap(
    (test) => test.alert_rule_test ?? [],
  );
  const named = (fires: boolean) =>
    new Set(
      cases.filter((each) => fires === (each.exp_alerts ?? []).length > 0).map((each) => each.alertname),
    );
  expect([...named(true)].sort()).toEqual([...alerts].sort());
  expect([...named(false)].sort()).toEqual([...alerts].sort());
});

if (LACKS_PROMETHEUS) console.warn(`skipped, ${LACKS_PROMETHEUS}: what promtool says`);
describe.skipIf(LACKS_PROMETHEUS)('promtool', () => {
  it('takes the rules, and those that tests run faster', () => {
    expect(promtool(['check', 'rules', '--lint=all', '--lint-fatal', RULES])).toMatchObject({ status: 0 });
    const faster = promtool(['check', 'rules', '--lint=all', '--lint-fatal'], fasterRules());
    expect(faster).toMatchObject({ status: 0 });
    expect(fasterRules()).not.toMatch(/for: \d+m|\[\d+[mh]\]/);
  });

  it('sees every case come out as written', () => {
    const { status, said } = promtool(['test', 'rules', CASES]);
    expect(status, said).toBe(0);
  });

  it('has nothing to say about the metrics of a guardian', async () => {
    const guardian = await startGuardian('run', ['--limit', '512Mi', '--', 'sleep', '60']);
    await guardian.get('/admit');
    await until(async () => (await guardian.status()).agent !== null, 'there is an agent');
    const { status, said } = promtool(['check', 'metrics'], await (await guardian.get('/metrics')).text());
    expect(said).toBe('');
    expect(status).toBe(0);
  });
});
