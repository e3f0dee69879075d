import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Content, paymentContent } from '../../../infra/content.ts';
import { loadConfig } from '../../../infra/core/config.ts';
import { sqlText } from '../../../infra/core/duckdb.ts';
import { openFeatures } from '../../../infra/features.ts';
import { featureSettings, openGrid } from '../../../infra/grid.ts';
import { landFile } from '../../../ingestion/landFile.ts';
import { DOMAINS } from '../../../ingestion/simulator/domains.ts';
import { writeHistory } from '../../../ingestion/simulator/history.ts';
import type { Lake } from '../../../lakehouse/lake.ts';
import { newestRelease } from '../../../lakehouse/release.ts';
import { type Extract, extractRows } from '../../../scoring/training/extract.ts';
import { openTempLake, silentLog, type TempLake, testClock } from '../../support/tempLake.ts';
import { runAll } from '../../transforms/payments.ts';

/** Sixty days of a small world as `up` lands them: bronze, silver, tiles and marts, all released. */

export const END_MS = Date.UTC(2026, 2, 31);

const historyConfig = loadConfig({ TIDEMARK_KAFKA: '127.0.0.1:9' });

export interface HistoryWorld {
  readonly actors: number;
  readonly fraudRate: number;
  readonly content?: Content;
  /** SQL that makes another value (JSON text) of `value`; `event_id` is the event's, `frauds` the ids of all frauds. */
  readonly change?: string;
}

export async function openHistoryLake(world: HistoryWorld): Promise<TempLake> {
  const { actors, fraudRate, content = paymentContent, change } = world;
  const lake = await openTempLake(testClock(END_MS + 10 * 60_000));
  const dir = await mkdtemp(join(tmpdir(), 'tidemark-history-'));
  const { files } = await writeHistory({
    ...{ seed: 42, days: 60, endMs: END_MS, actors, domains: DOMAINS, fraudRate, dir },
  });
  const labels = files.find(({ topic }) => topic === 'labels')?.path ?? '';
  const deps = { lake, kafka: historyConfig.kafka, limits: historyConfig.flush, log: silentLog };
  for (const { topic, path } of files) {
    const contract = content.contracts.find((c) => c.topic === topic)!;
    if (change !== undefined && topic !== 'labels') await changeFile(lake, { path, labels, change });
    await landFile(deps, { path, contract });
  }
  await rm(dir, { recursive: true, force: true });
  await release(lake, content);
  return lake;
}

/** Runs the models and the grid: a release of all that has landed. */
export async function release(lake: Lake, content: Content = paymentContent): Promise<void> {
  await runAll(lake);
  await (await openGrid(lake, content, historyConfig))();
}

/** The newest release's rows as of T. */
export async function extractAt(
  lake: Lake,
  untilMs: number,
  content: Content = paymentContent,
): Promise<Extract> {
  return await extractRows(lake, {
    release: (await newestRelease(lake.store))!,
    untilMs,
    ...(await featuresOf(content)),
    classNames: content.scoring.classNames,
    settings: content.scoring.training,
  });
}

export async function featuresOf(content: Content) {
  return {
    sets: await openFeatures(content, featureSettings(historyConfig)),
    featureNames: content.features.entries.map(({ name }) => name),
  };
}

// === Helpers ===

async function changeFile(
  lake: Lake,
  { path, labels, change }: { readonly path: string; readonly labels: string; readonly change: string },
): Promise<void> {
  await using session = await lake.duckdb.connect();
  await session.run(`create or replace temp table changed as
    with frauds as (select json_extract_string(value, '$.event_id') as event_id from read_parquet(${sqlText(labels)})
      where json_extract_string(value, '$.label') = 'fraud')
    select * replace (${change} as value) from (
      select *, json_extract_string(value, '$.transaction_id') as event_id from read_parquet(${sqlText(path)}))`);
  await session.run(`copy (select * exclude (event_id) from changed) to ${sqlText(path)} (format parquet)`);
}
