import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { systemClock } from '../../../infra/core/clock.ts';
import { loadConfig } from '../../../infra/core/config.ts';
import { connectProducer, ensureTopics } from '../../../infra/core/kafka.ts';
import { openGrid, openGridDeps } from '../../../infra/grid.ts';
import { openLake } from '../../../infra/lake.ts';
import { runLanding, topicSpecs } from '../../../ingestion/landing.ts';
import type { Lake } from '../../../lakehouse/lake.ts';
import { newestRelease } from '../../../lakehouse/release.ts';
import { scan } from '../../../lakehouse/scan.ts';
import { openTable } from '../../../lakehouse/table.ts';
import { tableHash } from '../../../lakehouse/tableHash.ts';
import { checkReleases } from '../../../observability/releaseClosure.ts';
import { collectViolations } from '../../../observability/violations.ts';
import { createClosingReader } from '../../../transforms/grid/closings.ts';
import { startChild } from '../../support/childProcess.ts';
import { openTempLake, silentLog } from '../../support/tempLake.ts';
import { contentOf } from '../../support/testContent.ts';
import { idOf, transfer } from './gridWorld.ts';

/** The process of the grid is killed at every numbered point while records flow through a real broker. */

const spec = `payments:grid${process.pid}.`;
const content = contentOf(spec);
const [gaming, fintech, ecommerce] = ['tx_gaming', 'tx_fintech', 'tx_ecommerce'].map((name) => {
  const contract = content.contracts.find(({ table }) => table === `bronze.${name}`);
  if (contract === undefined) throw new Error(`no contract of ${name}`);
  return contract;
});
const brokers = [inject('services').kafka];
const POINTS = [
  'before-closing-put',
  'after-closing-put',
  'before-grid-commit:2',
  'after-commit-put:1',
  'after-grid-commit:2',
  'after-grid-commit:5',
  'before-grid-release',
  'after-release-put',
];

let home = '';
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'tidemark-grid-'));
  await ensureTopics(brokers, content.contracts.flatMap(topicSpecs));
});
afterAll(async () => {
  await rm(home, { recursive: true, force: true });
});

function envOf(more: Record<string, string> = {}): Record<string, string> {
  return {
    TIDEMARK_HOME: home,
    TIDEMARK_KAFKA: brokers.join(','),
    TIDEMARK_TEST_CONTENT: spec,
    TIDEMARK_GRID: '2s',
    TIDEMARK_GRID_DELAY: '500ms',
    TIDEMARK_GRID_WAIT: '1s',
    ...more,
  };
}

test('kills between closing, tiles, marts and release leave what one pass over the same closings makes', async () => {
  const config = loadConfig(envOf());
  await using lake = await openLake(config, { log: silentLog });
  const stop = new AbortController();
  const landing = runLanding(
    {
      lake,
      contracts: [gaming!, fintech!],
      kafka: { ...config.kafka, groupId: spec },
      limits: { maxBytes: 1_000_000, maxRows: 2_000, intervalMs: 200 },
      log: silentLog,
    },
    { signal: stop.signal },
  );
  const traffic = sendUntil(stop.signal);
  for (const point of POINTS) {
    const { point: hit, stderr } = await startChild('grid', envOf({ TIDEMARK_CRASH_AT: point })).ended;
    expect(hit, stderr).toBe(point);
  }
  stop.abort();
  const sent = await traffic;
  await landing;
  // What is stuck for want of a landing process held up nobody for ever; what is idle nobody at all.
  expect(await untilVisible(lake, sent)).toBe(sent);
  expect(await violationsOf(lake)).toEqual([]);
  const release = await newestRelease(lake.store);
  const closings = await createClosingReader(lake.store)(Number.POSITIVE_INFINITY);
  expect(release?.grid?.closedToMs).toBe(closings.at(-1)?.atMs);
  expect(closings.filter(({ isSkipped }) => !isSkipped).length).toBeGreaterThanOrEqual(POINTS.length / 2);
  await using whole = await openTempLake(systemClock);
  await copyFacts(lake, whole);
  const deps = await openGridDeps(whole, content, config);
  await openGrid(whole, content, config).then((once) => once());
  for (const { tilesTable } of deps.entities)
    expect(await hashOf(whole, tilesTable, closings.at(-1)!.atMs)).toBe(
      await hashOf(lake, tilesTable, closings.at(-1)!.atMs),
    );
});

// === Helpers ===

/** Sends a few transfers at a time, and orders that nobody lands; says how many transfers there were. */
async function sendUntil(signal: AbortSignal): Promise<number> {
  await using producer = await connectProducer({ brokers, clientId: 'grid-test', log: silentLog });
  await producer.send(ecommerce!.topic, [{ key: 'nobody', value: '{}' }]);
  let sent = 0;
  while (!signal.aborted) {
    const records = Array.from({ length: 20 }, () => {
      sent += 1;
      const key = `actor-${sent % 50}`;
      const value = transfer(idOf(sent), Date.now() - (sent % 7) * 1_000, {
        account_from: key,
        device_id: `d${sent % 9}`,
      });
      return { key, value: JSON.stringify(value) };
    });
    await producer.send(fintech!.topic, records);
    await systemClock.sleep(100, signal).catch(() => undefined);
  }
  return sent;
}

/** Steps until every transfer is in the tiles of its actor. */
async function untilVisible(lake: Lake, sent: number): Promise<number> {
  const run = await openGrid(lake, content, loadConfig(envOf()));
  let visible = 0;
  await expect
    .poll(
      async () => {
        await run();
        const tiles = await (await openTable(lake, 'gold.actor_tiles'))?.snapshot();
        await using rows = await scan(lake, tiles!);
        await using session = await lake.duckdb.connect();
        const [row] = await session.rows(`select sum(n)::double as n from ${rows.sql}`);
        visible = Number(row?.['n']);
        return visible;
      },
      { timeout: 30_000, interval: 300 },
    )
    .toBeGreaterThanOrEqual(sent);
  return visible;
}

async function violationsOf(lake: Lake): Promise<string[]> {
  const sink = collectViolations();
  await checkReleases(lake, 0, sink);
  return sink.found.map(({ code, where, what }) => `${code} ${where}: ${what}`);
}

async function copyFacts(from: Lake, to: Lake): Promise<void> {
  for (const prefix of ['bronze/', '_closings/']) {
    for await (const { key } of from.store.list(prefix)) {
      const body = await from.store.read(key);
      if (body !== undefined) await to.store.put(key, body);
    }
  }
}

async function hashOf(lake: Lake, name: string, toMs: number): Promise<string> {
  const table = await openTable(lake, name);
  if (table === undefined) return 'no table';
  await using rows = await scan(lake, await table.snapshot());
  await using session = await lake.duckdb.connect();
  return await tableHash(session, `(select * from ${rows.sql} where epoch_ms(visible_from) <= ${toMs})`);
}
