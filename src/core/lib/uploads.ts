/** The body of one request while it comes in. */
export interface Upload {
  /** Resolves when it may be read. */
  turn: Promise<void>;
  /** So many bytes of it have come, which are kept. */
  grow(bytes: number): void;
  /** All of it has come: the next of its address may be read. */
  came(): void;
  /** All of it has been used, or given up; after its turn has come. */
  end(): void;
}

/**
 * Which bodies are read, and what all of them may hold together. Of each address a few are read at a time and the others wait
 * unread: whoever sends in one go has had its turn in a moment, whoever stalls takes the time of its own. Beyond the bytes the one that has taken longest gives way, of the address that holds
 * most: a client that sends in one go is never that, however many others stall.
 */
export class Uploads {
  readonly #maxBytes: number;
  readonly #perPeer: number;
  #heldBytes = 0;
  /** The longest under way first. */
  readonly #all = new Set<{ peer: string; bytes: number; drop: () => void }>();

  /** Those that are read, by address, and who comes next. */
  readonly #peers = new Map<string, { reading: number; next: (() => void)[] }>();

  constructor({ maxBytes, perPeer }: { maxBytes: number; perPeer: number }) {
    this.#maxBytes = maxBytes;
    this.#perPeer = perPeer;
  }

  /** @param drop called when it has to give way; it counts no longer */
  begin(peer: string, drop: () => void): Upload {
    const upload = { peer, bytes: 0, drop };
    this.#all.add(upload);
    const queue = this.#peers.get(peer) ?? { reading: 0, next: [] };
    this.#peers.set(peer, queue);
    const free = queue.reading < this.#perPeer;
    const turn = free ? Promise.resolve() : new Promise<void>((resolve) => queue.next.push(resolve));
    if (free) queue.reading++;
    let reading = true;
    const came = () => {
      if (!reading) return;
      reading = false;
      const next = queue.next.shift();
      if (next) next();
      else if (--queue.reading === 0) this.#peers.delete(peer);
    };
    const end = () => {
      came();
      if (this.#all.delete(upload)) this.#heldBytes -= upload.bytes;
    };
    return {
      turn,
      grow: (bytes) => {
        if (!this.#all.has(upload)) return;
        upload.bytes += bytes;
        this.#heldBytes += bytes;
        while (this.#heldBytes > this.#maxBytes) this.#dropOne();
      },
      came,
      end,
    };
  }

  #dropOne(): void {
    const held = new Map<string, number>();
    for (const { peer, bytes } of this.#all) held.set(peer, (held.get(peer) ?? 0) + bytes);
    const most = Math.max(...held.values());
    for (const upload of this.#all) {
      if (upload.bytes === 0 || held.get(upload.peer) !== most) continue;
      this.#all.delete(upload);
      this.#heldBytes -= upload.bytes;
      upload.drop();
      return;
    }
  }
}
