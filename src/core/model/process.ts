/** One process of the agent, for reports. */
export interface ProcessShare {
  pid: number;
  name: string;
  rssBytes: number;
}

/** The agent's processes at one look. */
export interface Family {
  /** The biggest, with their names. */
  processes: readonly ProcessShare[];
  /** All of them. */
  pids: readonly number[];
}

/** The agent's processes at one look. */
export interface TreeSample {
  rssBytes: number;
  /** 1 = one core busy; `null` before the second look. */
  cpuCores: number | null;
  count: number;
  /** The biggest 20, biggest first. */
  processes: ProcessShare[];
  /** All of them, biggest first. */
  pids: readonly number[];
}

/** How the agent's process ended, as far as it can be seen from here. */
export interface ExitFacts {
  exitCode: number | null;
  signal: string | null;
}
