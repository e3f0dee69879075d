import { expect, test } from 'vitest';
import { createMemoryStore } from '../../../lakehouse/memoryStorage.ts';
import { claimFirstOffsets, claimStart, readStarts } from '../../../scoring/starts.ts';

const place = { topic: 't', topicId: 'id', partition: 3 };

test('the first offsets of a lake are said once: a start that was cut short goes on with them', async () => {
  const store = createMemoryStore();
  const first = new Map([['t@id:3', 70]]);
  expect(await claimFirstOffsets(store, first)).toEqual(first);
  expect(await claimFirstOffsets(store, new Map([['t@id:3', 90]]))).toEqual(first);
});

test('a start is said once, and first offsets are none', async () => {
  const store = createMemoryStore();
  await claimFirstOffsets(store, new Map([['t@id:3', 70]]));
  expect(await claimStart(store, place, 70)).toBe(70);
  expect(await claimStart(store, place, 0)).toBe(70);
  expect(await readStarts(store)).toEqual(new Map([['t@id:3', 70]]));
});
