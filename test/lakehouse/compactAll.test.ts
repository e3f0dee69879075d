import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { compactAll } from '../../infra/compaction.ts';
import { systemClock } from '../../infra/core/clock.ts';
import { openTable } from '../../lakehouse/table.ts';
import { createTableLike, openTempLake, silentLog, stageRows, type TempLake } from '../support/tempLake.ts';

const HOUR_MS = 3_600_000;

/** A table of eight small files that are old enough to be packed. */
async function createSmallFiles(lake: TempLake, name: string): Promise<string> {
  const select = 'select 1 as _partition, 2 as _offset';
  const table = await createTableLike(lake, { name, select });
  for (let i = 0; i < 8; i += 1) {
    const adds = await stageRows(lake, table, { select });
    await table.commit({ operation: 'WRITE', base: await table.snapshot(), adds, reads: 'nothing' });
  }
  const [path = ''] = (await table.snapshot()).files.keys();
  return path;
}

test('a table that cannot be compacted does not stop the others, and is told', async () => {
  await using lake = await openTempLake(systemClock);
  const lost = await createSmallFiles(lake, 'bronze.a');
  await createSmallFiles(lake, 'bronze.b');
  rmSync(join(lake.rootDir, 'lake', 'bronze', 'a', lost));
  const later = { ...lake, clock: { ...lake.clock, nowMs: () => Date.now() + HOUR_MS } };
  const signal = new AbortController().signal;
  await expect(compactAll(later, { log: silentLog, signal })).rejects.toMatchObject({
    code: 'LAKE_OBJECT_MISSING',
  });
  const table = await openTable(lake, 'bronze.b');
  expect((await table?.snapshot())?.files.size).toBe(1);
});
