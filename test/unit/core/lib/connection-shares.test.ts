import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ConnectionShares, type ConnectionUse } from '../../../../src/core/lib/connection-shares.ts';

/** Shares with these connections (`peer number`), one a second; then all that is too many. */
function story(bounds: { total: number; perPeer: number }, ids: readonly string[]) {
  const shares = new ConnectionShares(bounds);
  for (const [i, id] of ids.entries()) shares.add(id, peerOf(id), i * 1000);
  return shares;
}
const peerOf = (id: string) => id.split(' ')[0] ?? '';

function closed(shares: ConnectionShares): string[] {
  const ids: string[] = [];
  for (let id = shares.surplus(); id !== undefined; id = shares.surplus()) ids.push(id);
  return ids;
}

describe('shares of connections', () => {
  it('closes the longest waiting of an address that has more than its share', () => {
    expect(closed(story({ total: 100, perPeer: 2 }, ['a 1', 'a 2', 'b 1', 'a 3', 'a 4']))).toEqual([
      'a 1',
      'a 2',
    ]);
  });

  it('closes of the address that holds most when all are too many, never of one that holds few', () => {
    const neighbour = Array.from({ length: 6 }, (_, i) => `neighbour ${i}`);
    const ids = ['prometheus 1', ...neighbour, 'balancer 1', 'balancer 2', 'kubelet 1'];
    expect(closed(story({ total: 6, perPeer: 100 }, ids))).toEqual(neighbour.slice(0, 4));
  });

  it('closes the oldest of all when each comes from an address of its own', () => {
    const ids = Array.from({ length: 5 }, (_, i) => `n${i} 1`);
    expect(closed(story({ total: 4, perPeer: 100 }, [...ids, 'kubelet 1']))).toEqual(['n0 1', 'n1 1']);
  });

  it('closes what waits before what is answered, and streams last', () => {
    const shares = story({ total: 100, perPeer: 1 }, ['a 1', 'a 2', 'a 3', 'a 4']);
    shares.turn('a 1', 'streaming', 5000);
    shares.turn('a 2', 'answering', 5000);
    shares.turn('a 3', 'answering', 5000);
    shares.turn('a 3', 'waiting', 5001); // has its answer: it waits anew
    expect(closed(shares)).toEqual(['a 4', 'a 3', 'a 2']);
  });

  it('takes nothing more of an address that fills its share within a second', () => {
    const shares = new ConnectionShares({ total: 100, perPeer: 2 });
    expect(['a 1', 'a 2', 'a 3'].map((id, i) => shares.add(id, 'a', 400 * i))).toEqual([true, true, false]);
    expect(shares.add('b 1', 'b', 900)).toBe(true);
    expect(shares.add('a 4', 'a', 1000)).toBe(true);
    expect(closed(shares)).toEqual(['a 1']);
  });

  it('counts how the connections of an address are used, and forgets what has ended', () => {
    const shares = story({ total: 100, perPeer: 100 }, ['a 1', 'a 2', 'b 1']);
    shares.turn('a 1', 'streaming', 0);
    expect([shares.count('a 2', 'streaming'), shares.count('b 1', 'streaming')]).toEqual([1, 0]);
    for (const id of ['a 1', 'a 2', 'b 1', 'b 1']) shares.delete(id);
    shares.turn('a 1', 'answering', 0);
    expect([shares.size, shares.count('a 1', 'streaming')]).toEqual([0, 0]);
  });

  it('keeps every bound, and whoever holds less than a share of all, whatever comes', () => {
    const uses: ConnectionUse[] = ['waiting', 'answering', 'streaming'];
    const step = fc.tuple(fc.nat(9), fc.nat(40), fc.constantFrom('add', 'end', ...uses), fc.nat(3000));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const shares = new ConnectionShares({ total: 20, perPeer: 8 });
        const open = new Set<string>();
        let now = 0;
        for (const [peer, n, what, passedMs] of steps) {
          const id = `${peer} ${n}`;
          now += passedMs;
          if (what === 'add' && !open.has(id) && shares.add(id, String(peer), now)) open.add(id);
          else if (what === 'end' && open.delete(id)) shares.delete(id);
          else if (what !== 'add' && what !== 'end') shares.turn(id, what, now);
          for (const gone of closed(shares)) {
            const held = [...open].filter((each) => peerOf(each) === peerOf(gone)).length;
            expect(held).toBeGreaterThan(2); // 20 places, 10 addresses
            expect(open.delete(gone)).toBe(true);
          }
          expect(shares.size).toBe(open.size);
          expect(open.size).toBeLessThanOrEqual(20);
        }
      }),
    );
  });
});
