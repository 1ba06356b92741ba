import { describe, expect, it } from 'vitest';
import { Uploads } from '../../../../src/core/lib/uploads.ts';

function story(maxBytes: number, perPeer = 100) {
  const uploads = new Uploads({ maxBytes, perPeer });
  const dropped: string[] = [];
  return { dropped, begin: (peer: string, name: string) => uploads.begin(peer, () => dropped.push(name)) };
}

describe('uploads', () => {
  it('that stall give way, the oldest first, to one that is sent at once', () => {
    const { begin, dropped } = story(100);
    for (const name of ['first', 'second', 'third']) begin('neighbour', name).grow(33);
    const review = begin('api server', 'review');
    review.grow(10);
    review.grow(40);
    review.end();
    expect(dropped).toEqual(['first', 'second']);
  });

  it('of an address that holds little are kept, however new or old they are', () => {
    const { begin, dropped } = story(100);
    begin('api server', 'review').grow(30);
    for (let i = 0; i < 9; i++) begin('neighbour', `${i}`).grow(20);
    expect(dropped).toEqual(['0', '1', '2', '3', '4', '5']);
  });

  it('count until they end, and once', () => {
    const { begin, dropped } = story(100);
    for (let i = 0; i < 20; i++) {
      const upload = begin('a', `${i}`);
      upload.grow(60);
      upload.end();
      upload.end();
    }
    expect(dropped).toEqual([]);
  });

  it('that were dropped, or hold nothing yet, give nothing', () => {
    const { begin, dropped } = story(100);
    begin('a', 'empty');
    const first = begin('a', 'first');
    first.grow(101);
    first.grow(1000);
    first.end();
    begin('a', 'next').grow(100);
    expect(dropped).toEqual(['first']);
  });

  it('that have come hold up no other, and count until they end', async () => {
    const { begin, dropped } = story(100, 1);
    const first = begin('a', 'first');
    first.grow(60);
    first.came();
    const second = begin('a', 'second');
    await second.turn;
    second.grow(60);
    expect(dropped).toEqual(['first']);
    first.end();
    const third = begin('a', 'third');
    let read = false;
    void third.turn.then(() => (read = true));
    await Promise.resolve();
    expect(read).toBe(false);
    second.end();
    await third.turn;
  });

  it('of one address are read a few at a time, in order, and hold up those of no other', async () => {
    const { begin } = story(100, 2);
    const read: string[] = [];
    const start = (peer: string, name: string) => {
      const upload = begin(peer, name);
      void upload.turn.then(() => read.push(name));
      return upload;
    };
    const all = ['a', 'b', 'c', 'd'].map((name) => start('neighbour', name));
    const review = start('api server', 'review');
    await Promise.resolve();
    expect(read).toEqual(['a', 'b', 'review']);
    review.end();
    all[1]?.end();
    await all[2]?.turn;
    expect(read).toEqual(['a', 'b', 'review', 'c']);
    for (const upload of all) upload.end();
    await start('neighbour', 'later').turn;
    expect(read).toEqual(['a', 'b', 'review', 'c', 'd', 'later']);
  });
});
