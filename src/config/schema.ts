import { OPTION_LIST } from './options.ts';
import type { ValueSchema } from './types.ts';

/** What the schema says of one option. */
interface PropertySchema extends ValueSchema {
  description: string;
  default?: string | number;
}

/** A JSON schema of the configuration file. */
export interface ConfigSchema {
  $schema: string;
  title: string;
  type: 'object';
  properties: Record<string, PropertySchema>;
  additionalProperties: false;
}

/**
 * The JSON schema (draft 2020-12) of the configuration file, from the table of options. Whatever the parser takes, the
 * schema takes. The parser alone checks what a schema cannot say: bounds of values written as text, ports, and how
 * values stand to each other.
 */
export function configSchema(): ConfigSchema {
  const properties = OPTION_LIST.map(([key, { type, default: value, description, unset }]) => {
    const range = type.range === undefined ? '' : ` (${type.range})`;
    const otherwise = unset === undefined ? '' : `. Default: ${unset}`;
    const property: PropertySchema = {
      description: `${description}${range}${otherwise}.`.replaceAll('`', ''),
      ...type.json,
    };
    if (value !== undefined) property.default = type.render(value as never);
    return [key, property] as const;
  });
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Configuration of Spillway',
    type: 'object',
    properties: Object.fromEntries(properties),
    additionalProperties: false,
  };
}
