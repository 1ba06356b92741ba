import { OPTION_LIST } from '../config/options.ts';
import { maskedText, renderYaml } from '../config/render.ts';
import type { Resolved } from '../config/resolve.ts';

/** What `spillway config` prints; YAML with a comment on each value's origin when neither is set. */
export interface ConfigCommandOptions {
  /** The JSON schema of the configuration file instead of the values. */
  schema?: boolean | undefined;
  /** `{"shedRatio": {"value": 0.85, "origin": "default"}, …}`; `null` is a value that is not set. */
  json?: boolean | undefined;
}

/**
 * `spillway config`: the merged configuration with the origin of each value, in the form that a file holds. Secrets in
 * URLs are hidden.
 */
export async function configCommand(
  { config, origins }: Resolved,
  options: ConfigCommandOptions,
  write: (text: string) => void,
): Promise<void> {
  const json = (value: unknown) => write(`${JSON.stringify(value, null, 2)}\n`);
  if (options.schema) {
    const { configSchema } = await import('../config/schema.ts');
    json(configSchema());
  } else if (options.json) {
    const values = OPTION_LIST.map(([key]) => {
      return [key, { value: maskedText(key, config) ?? null, origin: origins[key] }] as const;
    });
    json(Object.fromEntries(values));
  } else {
    write(renderYaml(config, maskedText, (key) => origins[key]));
  }
}
