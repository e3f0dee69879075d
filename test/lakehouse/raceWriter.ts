import { systemClock } from '../../infra/core/clock.ts';
import { createLocalStore } from '../../lakehouse/localStorage.ts';
import { openTable } from '../../lakehouse/table.ts';
import { openTestLake } from './support.ts';

/** A process of its own that commits `count` adds to `bronze.days`: `raceWriter.ts <root> <name> <count>`. */
const [root = '', name = '', count = '0'] = process.argv.slice(2);
await using lake = await openTestLake(createLocalStore(root), systemClock);
const table = await openTable(lake, 'bronze.days');
if (table === undefined) throw new TypeError('no table to write to');
for (let n = 0; n < Number(count); n += 1) {
  const add = {
    path: `${name}-${n}`,
    partitionValues: { day: '2025-01-01' },
    size: 1,
    modificationTime: 1,
    dataChange: true,
  };
  const txns = [{ appId: name, expected: n === 0 ? undefined : n, version: n + 1 }];
  const base = await table.snapshot();
  const result = await table.commit({ operation: 'WRITE', base, adds: [add], txns, reads: 'nothing' });
  if (result.kind !== 'committed') throw new TypeError(`conflict: ${result.reason}`);
}
