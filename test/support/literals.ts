import { transformSync } from 'esbuild';
import { parseAst } from 'vitest/node';

interface Node {
  type: string;
  [key: string]: unknown;
}

/** What stands for a value within a template. */
const VALUE = '…';

/**
 * The texts in a TypeScript source, as they are said: concatenated literals are one text, a value within a template is `…`, and
 * what an import names is none.
 */
export function literalsOf(source: string): string[] {
  const { code } = transformSync(source, { loader: 'ts', minifySyntax: true, charset: 'utf8' });
  const texts: string[] = [];
  visit(parseAst(code) as unknown as Node, texts);
  return texts;
}

function visit(node: unknown, texts: string[]): void {
  if (Array.isArray(node)) for (const each of node) visit(each, texts);
  if (!isNode(node) || /^(?:Import|Export\w+From|ExportAll)/.test(node.type)) return;
  if (node.type === 'Literal' && typeof node['value'] === 'string') texts.push(node['value']);
  if (node.type === 'TemplateLiteral') {
    const parts = node['quasis'] as { value: { cooked: string | null; raw: string } }[];
    texts.push(parts.map(({ value }) => value.cooked ?? value.raw).join(VALUE));
  }
  for (const child of Object.values(node)) if (typeof child === 'object') visit(child, texts);
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value;
}
