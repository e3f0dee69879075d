import { expect, test } from 'vitest';
import { createMemoryStore } from '../../../lakehouse/memoryStorage.ts';
import { keepFeatureList, readFeatureList } from '../../../scoring/featureLists.ts';
import { claimFirstOffsets, claimStart, readStarts } from '../../../scoring/starts.ts';
import { faultyStore, type PutFault } from '../../support/faultyStorage.ts';
import { testClock } from '../../support/tempLake.ts';

const place = { topic: 't', topicId: 'id', partition: 3 };
const lakeWith = (...faults: PutFault[]) => {
  return { store: faultyStore(createMemoryStore(), () => faults.shift() ?? 'none'), clock: testClock() };
};

test('the first offsets of a lake are said once: a start that was cut short goes on with them', async () => {
  const lake = lakeWith();
  const first = new Map([['t@id:3', 70]]);
  expect(await claimFirstOffsets(lake, first)).toEqual(first);
  expect(await claimFirstOffsets(lake, new Map([['t@id:3', 90]]))).toEqual(first);
});

test('a start is said once, and first offsets are none', async () => {
  const lake = lakeWith();
  await claimFirstOffsets(lake, new Map([['t@id:3', 70]]));
  expect(await claimStart(lake, place, 70)).toBe(70);
  expect(await claimStart(lake, place, 0)).toBe(70);
  expect(await readStarts(lake.store)).toEqual(new Map([['t@id:3', 70]]));
});

test.each<PutFault>(['lostAfter', 'lostBefore', 'refused', 'late'])(
  'a store that does not answer (%s) is asked again: what is said is there',
  async (fault) => {
    const lake = lakeWith(fault);
    const list = { source: 's', features: [{ name: 'f', hash: 'h' }] };
    expect(await claimFirstOffsets(lake, new Map([['t@id:3', 70]]))).toEqual(new Map([['t@id:3', 70]]));
    expect(await claimStart(lakeWith(fault), place, 70)).toBe(70);
    const other = lakeWith(fault);
    expect(await readFeatureList(other.store, await keepFeatureList(other, list))).toEqual(list);
  },
);
