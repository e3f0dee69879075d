import { expect, test } from 'vitest';
import { IdentityGuard } from '../../../scoring/runtime/identityGuard.ts';

const expected = [{ topic: 't', topicId: 'one', partitions: 3 }];

function guardOver(found: Map<string, { topicId: string; partitions: number }>) {
  let asked = 0;
  const reader = {
    read: async () => {
      asked += 1;
      return found;
    },
    [Symbol.asyncDispose]: async () => {},
  };
  return { guard: new IdentityGuard(reader, expected), asked: () => asked };
}

test('one question covers every fetch that came before it, and no later one', async () => {
  const { guard, asked } = guardOver(new Map([['t', { topicId: 'one', partitions: 3 }]]));
  guard.fetches = 5;
  await guard.cover(2);
  await guard.cover(5);
  expect(asked()).toBe(1);
  guard.fetches = 6;
  await guard.cover(6);
  expect(asked()).toBe(2);
});

test.each([
  ['LANDING_TOPIC_GONE', new Map()],
  ['LANDING_TOPIC_RECREATED', new Map([['t', { topicId: 'two', partitions: 3 }]])],
  ['LANDING_PARTITIONS_CHANGED', new Map([['t', { topicId: 'one', partitions: 4 }]])],
])('%s', async (code, found) => {
  const { guard } = guardOver(found);
  guard.fetches = 1;
  await expect(guard.cover(1)).rejects.toMatchObject({ code });
});
