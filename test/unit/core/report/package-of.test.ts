import { describe, expect, it } from 'vitest';
import { packageOf, pathInPackages, pathOfUrl } from '../../../../src/core/report/package-of.ts';

describe('packageOf', () => {
  it.each([
    ['/app/src/agent.ts', null],
    ['/app/node_modules/zod/lib/index.js', 'zod'],
    ['node_modules/zod/index.js', 'zod'],
    ['/app/node_modules/@langchain/core/dist/messages.js', '@langchain/core'],
    ['/app/node_modules/a/node_modules/@b/c/x.js', '@b/c'],
    ['/app/node_modules/.pnpm/openai@6.1.0_ws@8.0.0/node_modules/openai/core.js', 'openai'],
    ['/app/.yarn/cache/zod-npm-4.0.0-1234567890-8.zip/node_modules/zod/index.cjs', 'zod'],
    ['/app/.yarn/__virtual__/ai-virtual-0123/0/cache/ai-npm-6.zip/node_modules/ai/dist/index.js', 'ai'],
    ['/app/node_modules/.bin/agent', null],
    ['/app/my_node_modules/x/y.js', null],
    ['node:internal/deps/undici/undici', 'node'],
    ['', null],
  ])('%s: %s', (path, name) => expect(packageOf(path)).toBe(name));

  it('shortens to the part behind the last node_modules', () => {
    expect(pathInPackages('/a/node_modules/.pnpm/x@1/node_modules/x/y/z.js')).toBe('x/y/z.js');
    expect(pathInPackages('/a/b.js')).toBeNull();
  });
});

describe('pathOfUrl', () => {
  it.each([
    ['file:///app/my%20agent.mjs?v=2#x', '/app/my agent.mjs'],
    ['file:///app/%E0%A4%A.mjs', '/app/%E0%A4%A.mjs'],
    ['/app/what?.cjs', '/app/what?.cjs'],
    ['node:fs', null],
    ['evalmachine.<anonymous>', null],
    ['wasm://wasm/0a1b2c3d', null],
    ['', null],
  ])('%s: %s', (url, path) => expect(pathOfUrl(url)).toBe(path));
});
