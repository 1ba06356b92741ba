import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { SerialQueue } from '../../../../src/core/lib/serial-queue.ts';

it('does one thing at a time, in order, at once where nothing runs, also after a failure', async () => {
  const failures: unknown[] = [];
  const queue = new SerialQueue((error) => failures.push(error));
  const done: string[] = [];
  const work = (name: string, failure?: Error) => async () => {
    done.push(`${name} begins`);
    await nextTurn();
    done.push(`${name} ends`);
    if (failure) throw failure;
    return name;
  };
  const [first, second] = [new Error('first'), new Error('second')];
  queue.start(() => work('a', first)().then(() => {}));
  expect(done).toEqual(['a begins']);
  const refused = expect(queue.next(work('b', second))).rejects.toBe(second);
  const taken = queue.next(work('c'));
  await queue.running;
  expect(queue.running).toBeUndefined();
  expect(await taken).toBe('c');
  await refused;
  expect(failures).toEqual([first]);
  expect(done).toEqual(['a', 'b', 'c'].flatMap((name) => [`${name} begins`, `${name} ends`]));
});
