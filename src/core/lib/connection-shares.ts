/**
 * What a connection is there for now. One that waits has not sent a whole request yet, or has had its answer: it costs its
 * client nothing to come again.
 */
export type ConnectionUse = 'waiting' | 'answering' | 'streaming';

/** Most connections kept. */
export interface ShareBounds {
  /** Of all peers together. */
  total: number;
  /** Of one address. */
  perPeer: number;
}

/** An address that fills its share anew within this time floods: what it opens beyond that is not worth an exchange. */
const FLOOD_MS = 1000;

/** When each came or began to wait; the longest ago first. */
type Peer = Record<ConnectionUse, Map<string, number>>;

/** Who has to go first. */
const ORDER: readonly ConnectionUse[] = ['waiting', 'answering', 'streaming'];

/**
 * The connections of a server by the address they come from, and which of them has to go when they are too many: of the
 * address that holds the most, the one that has waited longest. So a newcomer is always taken, and an address that holds few
 * loses none: neighbours cannot crowd out a probe, however many connections they open and from however many addresses.
 *
 * Addresses are compared whole. The pods of a node share a /64 in most clusters: by prefix, one of them would speak for all.
 */
export class ConnectionShares {
  readonly #bounds: ShareBounds;
  /** In the order in which they came. */
  readonly #peers = new Map<string, Peer>();
  readonly #known = new Map<string, { peer: string; use: ConnectionUse }>();
  /** Peers that have passed their bound. */
  readonly #crowded = new Set<string>();

  constructor(bounds: ShareBounds) {
    this.#bounds = bounds;
  }

  get size(): number {
    return this.#known.size;
  }

  /**
   * A new connection, which waits. `id` names it from here on.
   * @returns false when its address floods: then it is not taken
   */
  add(id: string, peer: string, nowMs: number): boolean {
    const its = this.#peers.get(peer) ?? { waiting: new Map(), answering: new Map(), streaming: new Map() };
    if (sizeOf(its) >= this.#bounds.perPeer) {
      const [oldestMs = Number.NEGATIVE_INFINITY] = its.waiting.values();
      if (nowMs - oldestMs < FLOOD_MS) return false;
      this.#crowded.add(peer);
    }
    this.#known.set(id, { peer, use: 'waiting' });
    its.waiting.set(id, nowMs);
    this.#peers.set(peer, its);
    return true;
  }

  /** It is used otherwise now, or in the same way once more: waiting begins anew. */
  turn(id: string, use: ConnectionUse, nowMs: number): void {
    const known = this.#known.get(id);
    const its = known && this.#peers.get(known.peer);
    if (!its) return;
    its[known.use].delete(id);
    its[use].set(id, nowMs);
    known.use = use;
  }

  /** It has ended. */
  delete(id: string): void {
    const known = this.#known.get(id);
    const its = known && this.#peers.get(known.peer);
    if (!its) return;
    its[known.use].delete(id);
    this.#known.delete(id);
    if (sizeOf(its) === 0) this.#peers.delete(known.peer);
  }

  /** How many connections of the peer of this one are used so. */
  count(id: string, use: ConnectionUse): number {
    const known = this.#known.get(id);
    return (known && this.#peers.get(known.peer)?.[use].size) ?? 0;
  }

  /** The next connection that is too many, forgotten here: its end is up to the caller. */
  surplus(): string | undefined {
    const crowded = this.#crowdedPeer() ?? (this.size > this.#bounds.total ? this.#largest() : undefined);
    const use = ORDER.find((each) => (crowded?.[each].size ?? 0) > 0);
    const [id] = crowded && use ? crowded[use].keys() : [];
    if (id !== undefined) this.delete(id);
    return id;
  }

  #crowdedPeer(): Peer | undefined {
    for (const peer of this.#crowded) {
      const its = this.#peers.get(peer);
      if (its && sizeOf(its) > this.#bounds.perPeer) return its;
      this.#crowded.delete(peer);
    }
    return undefined;
  }

  /** Of several, the one that came first. */
  #largest(): Peer | undefined {
    let largest: Peer | undefined;
    for (const its of this.#peers.values()) if (!largest || sizeOf(its) > sizeOf(largest)) largest = its;
    return largest;
  }
}

function sizeOf({ waiting, answering, streaming }: Peer): number {
  return waiting.size + answering.size + streaming.size;
}
