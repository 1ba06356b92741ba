/** Files in the directory of the hook: the guardian's socket, the pids of the agent as it sees them, the hook itself. */
export const HOOK_FILES = { socket: 'hook.sock', agent: 'agent', register: 'register.cjs' } as const;
/** The directory, where it is not that of the hook's own file. */
export const HOOK_DIR_ENV = 'SPILLWAY_HOOK_DIR';
