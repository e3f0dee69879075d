import { expect, test } from 'vitest';
import { HeldGold } from '../../../scoring/runtime/heldGold.ts';
import { FEATURE_SETTINGS } from '../../../transforms/feature.ts';
import { faultyStore } from '../../support/faultyStorage.ts';
import { openTempLake, silentLog } from '../../support/tempLake.ts';
import { NOW_MS } from '../deciding.ts';

test('a lake that cannot be read ends no scorer: what is held goes on, and it is told', async () => {
  await using home = await openTempLake();
  const store = faultyStore(home.store);
  const told: string[] = [];
  const log = { ...silentLog, error: (_: object, message: string) => void told.push(message) };
  const gold = new HeldGold({ lake: { ...home, store, log }, entities: [], settings: FEATURE_SETTINGS });
  await gold.holdFrom(NOW_MS);
  await gold.refresh(undefined);
  expect(told).toEqual([]);
  store.failReads = 1;
  await gold.refresh(undefined);
  expect(store.failReads).toBe(0);
  expect(told).toEqual(['newer gold values cannot be read; those that are held go on']);
});
