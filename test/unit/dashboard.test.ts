import { describe, expect, it } from 'vitest';
import { METRICS } from '../../src/core/report/metric-table.ts';
import { dashboardText } from '../support/dashboard/dashboard.ts';
import { ROWS } from '../support/dashboard/layout.ts';

const text = dashboardText();

interface Panel {
  id: number;
  type: string;
  title: string;
  description?: string;
  gridPos: { h: number; w: number; x: number; y: number };
  targets?: { refId: string; expr: string }[];
}
const { panels } = JSON.parse(text) as { panels: Panel[] };
const drawn = panels.filter(({ type }) => type !== 'row');

describe('the Grafana dashboard', () => {
  it('is what the table of metrics gives (npm run docs)', async () => {
    await expect(text).toMatchFileSnapshot('../../helm/spillway/files/dashboard.json');
  });

  it('draws every metric once, and says what it is', () => {
    const placed = ROWS.flatMap((row) => row.panels.flatMap((panel) => panel.metrics));
    expect([...placed].sort()).toEqual(METRICS.map(({ name }) => name).sort());
    for (const { metrics, title } of ROWS.flatMap((row) => row.panels)) {
      const panel = drawn.find((each) => each.title === title);
      for (const name of metrics) {
        expect(panel?.targets?.map(({ expr }) => expr).join('\n')).toMatch(
          new RegExp(`\\b${name}(_bucket)?\\{`),
        );
        expect(panel?.description).toContain(METRICS.find((metric) => metric.name === name)?.help);
      }
    }
  });

  it('has no two panels in one place, and none outside of the grid', () => {
    const cells = panels.flatMap(({ title, gridPos: { h, w, x, y } }) => {
      expect(x + w, title).toBeLessThanOrEqual(24);
      return Array.from({ length: h * w }, (_, i) => `${x + (i % w)},${y + Math.floor(i / w)}`);
    });
    expect(new Set(cells).size).toBe(cells.length);
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  });

  it('selects by its variables in every query', () => {
    for (const { title, targets = [] } of drawn) {
      expect(targets.length, title).toBeGreaterThan(0);
      for (const { expr } of targets) {
        const selectors = [...expr.matchAll(/\{[^}]*\}/g)].map(([selector]) => selector);
        expect(selectors.length, expr).toBeGreaterThan(0);
        for (const selector of selectors) {
          expect(selector, expr).toContain('namespace=~"$namespace"');
          expect(selector, expr).toContain('pod=~"$pod"');
        }
      }
    }
  });
});
