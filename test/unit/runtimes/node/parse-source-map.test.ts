import { readFileSync } from 'node:fs';
import { originalPositionFor, TraceMap } from '@jridgewell/trace-mapping';
import { transformSync } from 'esbuild';
import { describe, expect, it } from 'vitest';
import {
  identifierAt,
  lineInSource,
  namePosition,
} from '../../../../src/runtimes/node/parse-function-name.ts';
import { originsOf, sourceMapUrl } from '../../../../src/runtimes/node/parse-source-map.ts';

describe('originsOf', () => {
  it.each([
    true,
    false,
  ])('agrees with a full decoder at every place of a real map (minified: %s)', (minify) => {
    const source = readFileSync(
      new URL('../../../../src/core/forecast/growth-tracker.ts', import.meta.url),
      'utf8',
    );
    const { code, map } = transformSync(source, {
      loader: 'ts',
      minify,
      sourcemap: true,
      sourcefile: 'growth.ts',
    });
    const positions = code
      .split('\n')
      .flatMap((text, line) => Array.from({ length: text.length + 1 }, (_, column) => ({ line, column })));
    const decoded = new TraceMap(map);
    const found = originsOf(JSON.parse(map), positions);
    expect(positions.length).toBeGreaterThan(3000);
    for (const [i, { line, column }] of positions.entries()) {
      const expected = originalPositionFor(decoded, { line: line + 1, column });
      const origin = found[i];
      const seen = origin
        ? [origin.source, origin.line + 1, origin.column, origin.name]
        : [null, null, null, null];
      expect(seen).toEqual([expected.source, expected.line, expected.column, expected.name]);
    }
  });

  it('looks into the sections of an index map', () => {
    const map = { sources: ['b.ts'], mappings: 'AAAA;AACA' };
    const sections = [
      { offset: { line: 0, column: 0 }, map: { sources: ['a.ts'], mappings: 'AAAA' } },
      { offset: { line: 2, column: 4 }, map },
    ];
    const [first, before, second, third] = originsOf({ sections }, [
      { line: 0, column: 3 },
      { line: 2, column: 3 },
      { line: 2, column: 4 },
      { line: 3, column: 0 },
    ]);
    expect([first?.source, before, second?.source, second?.line, third?.line]).toEqual([
      'a.ts',
      null,
      'b.ts',
      0,
      1,
    ]);
  });

  it.each([
    {},
    { mappings: 'AAAA' },
    { sources: ['a'], mappings: '*#;é' },
    { sources: [null], mappings: 'AAAA' },
  ])('says nothing where the map makes no sense: %j', (map) =>
    expect(originsOf(map, [{ line: 0, column: 0 }])).toEqual([null]));
});

describe('sourceMapUrl', () => {
  it.each([
    ['x\n//# sourceMappingURL=a.js.map\n', 'a.js.map'],
    ['//# sourceMappingURL=old.map\nx\n//# sourceMappingURL=new.map', 'new.map'],
    ['x\n//@ sourceMappingURL=a.map', 'a.map'],
    ['x /*# sourceMappingURL=a.map */', 'a.map'],
    ['const s = "sourceMappingURL=a.map"', null],
    ['x', null],
  ])('%j: %s', (script, url) => expect(sourceMapUrl(script)).toBe(url));
});

describe('the name of a function', () => {
  it.each([
    ['function a(b){', 'a', 9],
    ['var x=async function(b){', 'x', 4],
    ['const a=(b)=>', 'a', 6],
    ['o={a:async(', 'a', 3],
    ['class X{#a(', '#a', 8],
    ['x.prototype.leak=function(', 'X.leak', 12],
  ])('stands before %s', (script, name, column) => {
    const at = { line: 0, column: script.indexOf('(', script.indexOf(name.split('.').at(-1) ?? '')) };
    const arrow = script.endsWith('=>') ? { line: 0, column: 8 } : at;
    expect(namePosition(script, arrow, name)?.column).toBe(column);
  });

  it('is not taken from another word', () => {
    expect(namePosition('call(function(', { line: 0, column: 13 }, 'named')).toBeNull();
    expect(identifierAt('  agentStep(', 2)).toBe('agentStep');
    expect(identifierAt('  (', 2)).toBeNull();
  });
});

describe('lineInSource', () => {
  const source =
    'type A = string;\n\nexport async function keep(a: A) {\n  step(a);\n}\nconst step = (a: A) => keep(a);\n';
  it('is the line that runs where the name stands there', () => {
    expect(lineInSource(source, { line: 2, column: 26 }, 'keep')).toBe(3);
  });
  it('is the only line that declares the name where the code was compiled to other lines', () => {
    expect(lineInSource(source, { line: 0, column: 400 }, 'keep')).toBe(3);
    expect(lineInSource(source, { line: 0, column: 400 }, 'step')).toBe(6);
  });
  it('is nothing where it cannot be told', () => {
    expect(lineInSource(source, { line: 0, column: 400 }, '')).toBeNull();
    expect(lineInSource(source, { line: 0, column: 400 }, 'other')).toBeNull();
    expect(lineInSource(source, { line: 0, column: 400 }, '[Symbol.iterator')).toBeNull();
    expect(lineInSource(`${source}${source}`, { line: 0, column: 400 }, 'keep')).toBeNull();
  });
});
