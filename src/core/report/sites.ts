/** One node of V8's sampling heap profile (`HeapProfiler.SamplingHeapProfileNode`): a function, as called from its parent. */
export interface SamplingNode {
  callFrame: {
    functionName: string;
    scriptId: string;
    url: string;
    /** Where the function begins, from 0; -1 for what has no script. */
    lineNumber: number;
    columnNumber: number;
  };
  /** Bytes allocated here and still held, scaled up from the samples. */
  selfSize: number;
  id: number;
  children: SamplingNode[];
}

/** `HeapProfiler.SamplingHeapProfile`. */
export interface SamplingProfile {
  head: SamplingNode;
  samples: { size: number; nodeId: number; ordinal: number }[];
}

/** A function and what is held of its allocations, in the terms of the code that runs (before source maps). */
export interface RawSite {
  /** Empty where the function has no name. */
  name: string;
  url: string;
  /** Where the function begins, from 1; 0 where it has no script. */
  line: number;
  column: number;
  bytes: number;
}

type Frame = SamplingNode['callFrame'];

/** The same for the same function at every reading. */
export function siteKey({ name, url, line, column }: RawSite): string {
  return `${url}\n${line}\n${column}\n${name}`;
}

/**
 * What is held by function, most first. What Node and V8 allocate on behalf of a function (`Map.set`, `Buffer.from`, a
 * timer) is that function's, and so is what its unnamed callbacks allocate; only where no function of a program was on
 * the stack, Node's or V8's own name stays. What the compiler has inlined counts as its caller's: V8 tells no more.
 */
export function sitesOf(heads: readonly SamplingNode[]): RawSite[] {
  const sites = new Map<string, RawSite>();
  // recursion is safe: V8 samples 128 calls of a stack at most
  const visit = ({ callFrame, selfSize, children }: SamplingNode, caller: Frame | undefined) => {
    const owner = ownerOf(callFrame, caller);
    if (selfSize > 0) {
      const { functionName: name, url, lineNumber, columnNumber } = owner;
      const site = { name, url, line: lineNumber + 1, column: columnNumber + 1, bytes: selfSize };
      const known = sites.get(siteKey(site));
      if (known) known.bytes += selfSize;
      else sites.set(siteKey(site), site);
    }
    for (const child of children) visit(child, owner);
  };
  for (const head of heads) visit(head, undefined);
  return [...sites.values()].sort((a, b) => b.bytes - a.bytes);
}

/** Whose an allocation in `frame` is, given whose one in its caller would be. */
function ownerOf(frame: Frame, caller: Frame | undefined): Frame {
  if (!caller) return frame;
  return rankOf(frame) < rankOf(caller) || isPartOf(frame, caller) ? caller : frame;
}

/** A callback written within its caller, or the initial values of fields, which V8 calls `<instance_members_initializer>`. */
function isPartOf(frame: Frame, caller: Frame): boolean {
  if (frame.url !== caller.url || caller.functionName === '') return false;
  const after = frame.lineNumber - caller.lineNumber || frame.columnNumber - caller.columnNumber;
  return frame.functionName === '' ? after > 0 : frame.functionName.startsWith('<');
}

/** 2: a function of the program or its packages; 1: Node's own; 0: built in, or a state of V8 such as `(V8 API)`. */
function rankOf({ url }: Frame): number {
  if (url === '') return 0;
  return url.startsWith('node:') ? 1 : 2;
}
