import type { SamplingNode, SamplingProfile } from '../../core/report/sites.ts';

/**
 * A `.heapprofile` file as Chrome DevTools opens it (Memory, "Load profile"). The profiles of worker threads stand below
 * the root of the first as `(worker 1)`, `(worker 2)`, …; ids are given anew where they would meet.
 */
export function profileFile([main, ...workers]: readonly [SamplingProfile, ...SamplingProfile[]]): string {
  if (workers.length === 0) return JSON.stringify({ head: main.head, samples: main.samples });
  const head = { ...main.head, children: [...main.head.children] };
  const samples = [...main.samples];
  let highest = highestId(main.head);
  workers.forEach((worker, i) => {
    const offset = highest;
    const root = shifted(worker.head, offset);
    root.callFrame = { ...root.callFrame, functionName: `(worker ${i + 1})` };
    head.children.push(root);
    for (const sample of worker.samples) samples.push({ ...sample, nodeId: sample.nodeId + offset });
    highest = highestId(root);
  });
  return JSON.stringify({ head, samples });
}

function highestId(node: SamplingNode): number {
  return node.children.reduce((highest, child) => Math.max(highest, highestId(child)), node.id);
}

function shifted(node: SamplingNode, offset: number): SamplingNode {
  return { ...node, id: node.id + offset, children: node.children.map((child) => shifted(child, offset)) };
}
