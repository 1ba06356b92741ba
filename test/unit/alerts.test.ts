import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { INJECTOR_METRICS } from '../../src/core/inject/injector-metrics.ts';
import { METRICS } from '../../src/core/report/metric-table.ts';

const read = (path: string) => readFileSync(new URL(`../../helm/spillway/${path}`, import.meta.url), 'utf8');

interface Rule {
  alert?: string;
  record?: string;
  expr: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
}
const { groups } = parse(read('files/alerts.yaml')) as { groups: { rules: Rule[] }[] };
const rules = groups.flatMap((group) => group.rules);
const alerts = rules.filter(({ alert }) => alert !== undefined);
const runbooks = read('RUNBOOKS.md');
/** The one place of the project's address; the chart's `home` is the same. */
const { homepage } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  homepage: string;
};

describe('the alerts', () => {
  it('have one section each in the runbooks, which have no other', () => {
    const sections = [...runbooks.matchAll(/^### (.+)$/gm)].map(([, title]) => title);
    expect(sections).toEqual(alerts.map(({ alert }) => alert));
  });

  it('have sections that say what it means, where to look and what to do', () => {
    for (const section of runbooks.split(/^### /m).slice(1))
      expect(
        [...section.matchAll(/^\*\*(\w+)\.\*\* /gm)].map(([, word]) => word).slice(0, 3),
        section.split('\n')[0],
      ).toEqual(['Means', 'Look', 'Do']);
  });

  it('have links that lead somewhere', () => {
    const anchors = [...runbooks.matchAll(/^#+ (.+)$/gm)].map(([, title = '']) => title.toLowerCase());
    for (const [, anchor] of runbooks.matchAll(/\]\(#([^)]+)\)/g)) expect(anchors).toContain(anchor);
  });

  it('have a severity, a summary, a description and the URL of their section in the runbooks', () => {
    const anchors = new Set(
      [...runbooks.matchAll(/^### (.+)$/gm)].map(([, title = '']) => title.toLowerCase()),
    );
    for (const { alert = '', labels, annotations } of alerts) {
      expect(['info', 'warning', 'critical'], alert).toContain(labels?.['severity']);
      expect(Object.keys(annotations ?? {}), alert).toEqual(['summary', 'description', 'runbook_url']);
      const [url, anchor] = annotations?.['runbook_url']?.split('#') ?? [];
      expect(url).toBe(`${homepage}/blob/main/helm/spillway/RUNBOOKS.md`);
      expect(anchor).toBe(alert.toLowerCase());
      expect(anchors).toContain(anchor);
      // who it is, and how much
      expect(annotations?.['description'], alert).toMatch(/\$labels\.(?:pod|workload|job|name)\b/);
    }
  });

  it('link to the home that the chart names', () => {
    expect(parse(read('Chart.yaml'))).toMatchObject({ home: homepage });
  });

  it('ask only for metrics that there are', () => {
    const known = new Set<string>([...METRICS.map(({ name }) => name), ...Object.keys(INJECTOR_METRICS)]);
    const recorded = new Set(rules.flatMap(({ record }) => record ?? []));
    for (const { alert, expr } of rules) {
      for (const [name] of expr.matchAll(/(?<![:\w])spillway_\w+/g))
        expect(known, alert ?? expr).toContain(name);
      for (const [name] of expr.matchAll(/\b\w+:\w+:\w+/g)) expect(recorded, alert ?? expr).toContain(name);
    }
  });
});
