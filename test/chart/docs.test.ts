import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { rowsOf, schemaOf, withOptions, withValues } from './support/chart-docs.ts';
import { CHART_OPTIONS, optionsFile } from './support/sidecar-options.ts';

const CHART = new URL('../../helm/spillway/', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, CHART), 'utf8');
const values = withOptions(read('values.yaml'));

describe('what is made from values.yaml and the table of options (npm run docs)', () => {
  it('should have a value for each option of a sidecar, and no other', async () => {
    await expect(values).toMatchFileSnapshot('../../helm/spillway/values.yaml');
    const { guardian } = parse(values) as { guardian: Record<string, unknown> };
    expect(Object.keys(guardian)).toEqual(CHART_OPTIONS);
  });

  it('should have the options as the templates read them', async () => {
    await expect(optionsFile()).toMatchFileSnapshot('../../helm/spillway/files/options.json');
  });

  it('should have the schema', async () => {
    await expect(schemaOf(values)).toMatchFileSnapshot('../../helm/spillway/values.schema.json');
  });

  it('should have the table in the README', async () => {
    await expect(withValues(read('README.md'), values)).toMatchFileSnapshot('../../helm/spillway/README.md');
  });

  it('should describe every value', () => {
    expect(rowsOf(values).filter(({ prose }) => prose === '')).toEqual([]);
  });
});
