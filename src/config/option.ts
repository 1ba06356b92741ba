import type { ValueType } from './types.ts';

export type OptionCommand = 'guard' | 'run' | 'doctor' | 'config';

/** One row of the table. The type fixes the unit, the bounds and the written form. */
export interface Option<T = unknown> {
  readonly type: ValueType<NonNullable<T>>;
  readonly default: T;
  /** What holds when nothing is set, in words; only where there is no default value. */
  readonly unset?: string;
  /** The word for the value in `--help`: `--shed-ratio <ratio>`. */
  readonly placeholder: string;
  /** One sentence without its full stop. */
  readonly description: string;
  /** The commands that take the flag. Environment and file may hold every option for every command. */
  readonly commands: readonly OptionCommand[];
}

type Row<T, D> = Omit<Option, 'type' | 'default'> & { readonly type: ValueType<T>; readonly default: D };
/** A row of which there may be no value, or one that always has one. */
export function option<T>(row: Row<T, undefined>): Option<T | undefined>;
export function option<T>(row: Row<NonNullable<T>, NoInfer<T>>): Option<T>;
export function option(row: Option): Option {
  return row;
}

/** `shedRatio` → `--shed-ratio`. */
export function flagOf(key: string): string {
  return `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** `shedRatio` → `SPILLWAY_SHED_RATIO`. */
export function envOf(key: string): string {
  return `SPILLWAY_${flagOf(key).slice(2).replaceAll('-', '_').toUpperCase()}`;
}
