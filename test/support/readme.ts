import { renderOptionTable } from '../../src/config/render.ts';
import { METRICS } from '../../src/core/report/metric-table.ts';

/** The README with its generated tables as they should be: what stands between the marks is replaced. */
export function withTables(readme: string): string {
  return between('options', renderOptionTable(), between('metrics', metricTable(), readme));
}

function metricTable(): string {
  const rows = METRICS.map(({ name, type, labels, help }) => {
    const label = labels.length > 0 ? `{${labels.join(',')}}` : '';
    return `| \`${name}${label}\` | ${type} | ${help.replace(/\.$/, '')} |\n`;
  });
  return `| metric | type | meaning |\n| --- | --- | --- |\n${rows.join('')}`;
}

function between(name: string, table: string, text: string): string {
  const marks = new RegExp(`(<!-- ${name}:.*-->\n)[^]*?(<!-- /${name} -->)`);
  if (!marks.test(text)) throw new Error(`the README has no marks for ${name}`);
  return text.replace(marks, (_all, open: string, close: string) => `${open}${table}${close}`);
}
