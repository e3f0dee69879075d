import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, inject, it } from 'vitest';
import { loadConfig } from '../../infra/core/config.ts';
import { openLake } from '../../infra/lake.ts';
import { createBucket } from '../../lakehouse/s3Storage.ts';
import { openSqlGateway } from '../../lakehouse/sqlGateway.ts';
import { appendRows, createTableLike, silentLog } from '../support/tempLake.ts';

/** Bytes that fit one data file into the local cache, but not all of them. */
const SMALL_CACHE = '1MiB';

it('a query over S3 reads its files through the local cache, and reaches nothing else there', async () => {
  const { s3 } = inject('services');
  const bucket = `sql-${randomUUID()}`;
  const home = mkdtempSync(join(tmpdir(), 'tidemark-sql-'));
  await createBucket(s3, bucket);
  const config = loadConfig({
    TIDEMARK_HOME: home,
    TIDEMARK_LAKE: `s3://${bucket}/lake`,
    TIDEMARK_S3_ENDPOINT: s3.endpoint,
    TIDEMARK_S3_REGION: s3.region,
    AWS_ACCESS_KEY_ID: s3.accessKeyId,
    AWS_SECRET_ACCESS_KEY: s3.secretAccessKey,
    TIDEMARK_CACHE_SIZE: SMALL_CACHE,
  });
  try {
    await using lake = await openLake(config, { log: silentLog });
    const select = 'select range as i, md5(range::varchar) as text from range(20000)';
    const table = await createTableLike(lake, { name: 'bronze.big', select });
    for (let file = 0; file < 3; file += 1) await appendRows(lake, table, { select });
    const limits = { memoryBytes: 64 * 2 ** 20, threads: 1, timeoutMs: 60_000 };
    await using gateway = await openSqlGateway(lake, { limits });
    for (let repeat = 0; repeat < 2; repeat += 1) {
      await using answer = await gateway.query(
        'select count(*) as n, count(distinct text) as texts from bronze.big',
      );
      for await (const rows of answer.chunks) expect(rows).toEqual([['60000', '20000']]);
    }
    const cached = `select * from '${config.lake.cacheDir}/x.parquet'`;
    await expect(gateway.query(cached)).rejects.toMatchObject({ code: 'SQL_TABLE_UNKNOWN' });
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
});
