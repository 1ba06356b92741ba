import { flagOf } from './option.ts';
import { OPTION_LIST, type OptionKey } from './options.ts';

/** What the injector sets by itself, from the pod. */
export const SET_BY_INJECTOR: readonly OptionKey[] = [
  'listen',
  'agent',
  'downwardLimit',
  'podRestartPolicy',
  'hookDir',
  'webhookUrlFile', // there is no file of the user's in the sidecar; `webhookUrlSecret` names a Secret
];
/** Beside that, what is no business of whoever may annotate a pod. */
const NEVER_ANNOTATED: readonly OptionKey[] = [...SET_BY_INJECTOR, 'adminListen', 'adminToken'];

const GUARD_OPTIONS = OPTION_LIST.filter(([, { commands }]) => commands.includes('guard'));

/** Options of `spillway guard` that a sidecar's configuration, and `spillway inject`, may set. */
export const SIDECAR_OPTIONS = GUARD_OPTIONS.filter(([key]) => !SET_BY_INJECTOR.includes(key));

/** Key of each option that an annotation `spillway.dev/<flag>` may set, by its flag without the dashes. */
export const ANNOTATED_OPTIONS: ReadonlyMap<string, OptionKey> = new Map(
  GUARD_OPTIONS.filter(([key]) => !NEVER_ANNOTATED.includes(key)).map(([key]) => [flagOf(key).slice(2), key]),
);
