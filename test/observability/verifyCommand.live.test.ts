import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest';
import { type Config, loadConfig } from '../../infra/core/config.ts';
import { connectProducer } from '../../infra/core/kafka.ts';
import { openLake } from '../../infra/lake.ts';
import { runIngest } from '../../infra/processes/ingest.ts';
import { openTransforms } from '../../infra/transforms.ts';
import type { Lake } from '../../lakehouse/lake.ts';
import { newestRelease, publishRelease } from '../../lakehouse/release.ts';
import { scan } from '../../lakehouse/scan.ts';
import { type LakeTable, openTable } from '../../lakehouse/table.ts';
import { runModels } from '../../transforms/run.ts';
import { landingLag } from '../support/landingLag.ts';
import { sensorContent } from '../support/sensors/content.ts';
import { commitTo, silentLog } from '../support/tempLake.ts';

/**
 * The command as a user runs it, on a lake that the real landing and the real transforms filled from a
 * real broker. Each damage is done to a copy of that lake.
 */
const root = mkdtempSync(join(tmpdir(), 'tidemark-verify-'));
const topic = `sensors-${randomUUID()}`;
const content = sensorContent(topic);
const BRONZE = 'bronze.readings';

beforeAll(async () => {
  const config = configOf('whole');
  const { brokers } = config.kafka;
  await using lake = await openLake(config, { log: silentLog });
  const stop = new AbortController();
  const ingest = runIngest(content, { config, log: silentLog, signal: stop.signal });
  const landed = () =>
    vi.waitFor(async () => expect(await landingLag(lake, content, brokers)).toBe(0), 60_000);
  await vi.waitFor(async () => expect(await openTable(lake, BRONZE)).toBeDefined(), 60_000);
  for (const batch of [0, 1]) {
    await using producer = await connectProducer({ brokers, clientId: topic, log: silentLog });
    await producer.send(
      topic,
      Array.from({ length: 300 }, (_, i) => reading(batch * 300 + i)),
    );
    await landed();
  }
  stop.abort();
  await ingest;
  await runModels(await openTransforms(lake, content, silentLog));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe('tidemark verify', () => {
  it('exits 0 on what landing and transforms made, and again from where it was verified', async () => {
    const [first, second] = [await verify('whole'), await verify('whole')];
    expect(first).toMatchObject({
      exitCode: 0,
      report: { clean: true, releases: { checked: 1, newest: 1 } },
    });
    expect(first.report.incarnations).toMatchObject([{ topic, landed: 600, bad: 6, compared: 600, lag: 0 }]);
    expect(second).toMatchObject({ exitCode: 0, report: { clean: true, releases: { checked: 0 } } });
    expect(second.report.incarnations).toMatchObject([{ topic, landed: 600, compared: 0, lag: 0 }]);
  });

  it.each<[string, string, (lake: Lake, table: LakeTable) => Promise<void>]>([
    ['a data file is dropped from the log', 'CHAIN_COUNTS', dropFile],
    ['a file is added twice', 'ROWS_DUPLICATED', addTwice],
    ['a bad row is removed', 'ROWS_BAD_COUNT', removeBadRow],
    ['the progress is moved forward', 'CHAIN_TXN', moveForward],
    ['a release is not closed', 'RELEASE_NOT_CLOSED', openRelease],
  ])('exits 1 when %s', async (_, code, damage) => {
    cpSync(join(root, 'whole', 'lake'), join(root, code, 'lake'), { recursive: true });
    {
      await using lake = await openLake(configOf(code), { log: silentLog });
      const table = await openTable(lake, BRONZE);
      await damage(lake, table!);
    }
    const { exitCode, report } = await verify(code, '--full');
    expect(exitCode).toBe(1);
    expect(report.clean).toBe(false);
    expect(report.violations.map((violation) => violation.code)).toContain(code);
  });

  it('exits 1 with the reason when Kafka does not answer', async () => {
    const { exitCode, stderr } = await tidemark('whole', ['verify'], { TIDEMARK_KAFKA: '127.0.0.1:1' });
    expect(exitCode).toBe(1);
    expect(stderr).toContain('KAFKA_UNAVAILABLE');
  });
});

describe('tidemark sql', () => {
  it('answers from the release, as JSON and with an exit code', async () => {
    const sql = `select count(*) as n, sum(readings)::bigint as readings from gold.sensor_days`;
    const good = await tidemark('whole', ['sql', '--json', sql]);
    expect(good).toMatchObject({ exitCode: 0, stdout: '[\n{"n":10,"readings":594}\n]\n' });
    expect(await tidemark('whole', ['sql', 'select * from gold.sensor_day'])).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('did you mean gold.sensor_days?'),
    });
    expect(await tidemark('whole', ['sql', '--json', '--csv', sql])).toMatchObject({ exitCode: 2 });
  });
});

interface JsonReport {
  readonly clean: boolean;
  readonly violations: readonly { code: string; where: string; what: string }[];
  readonly incarnations: readonly { topic: string; landed: number; compared: number | null }[];
  readonly releases: { checked: number; newest: number | null };
}

async function verify(
  home: string,
  ...flags: string[]
): Promise<{ exitCode: number | null; report: JsonReport }> {
  const { exitCode, stdout } = await tidemark(home, ['verify', '--json', ...flags]);
  return { exitCode, report: JSON.parse(stdout) as JsonReport };
}

async function tidemark(home: string, args: string[], env: NodeJS.ProcessEnv = {}) {
  const main = join(import.meta.dirname, '..', '..', 'infra', 'cli', 'main.ts');
  const child = spawn(process.execPath, [main, ...args], {
    env: { ...envOf(home), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const [stdout, stderr, exitCode] = await Promise.all([text(child.stdout), text(child.stderr), exited]);
  return { stdout, stderr, exitCode };
}

function envOf(home: string): NodeJS.ProcessEnv {
  return {
    ...process.env,
    TIDEMARK_HOME: join(root, home),
    TIDEMARK_KAFKA: inject('services').kafka,
    TIDEMARK_GROUP: topic,
    TIDEMARK_FLUSH_INTERVAL: '200ms',
  };
}

function configOf(home: string): Config {
  return loadConfig(envOf(home));
}

/** Every hundredth record is no JSON. */
function reading(i: number): { key: string; value: string } {
  const sensor = `s${i % 10}`;
  const measured = new Date(Date.now() - 1_000).toISOString();
  const value = JSON.stringify({ reading_uid: `r${i}`, sensor, measured, celsius: 20, calibrated: true });
  return { key: sensor, value: i % 100 === 50 ? 'no JSON' : value };
}

async function dropFile(lake: Lake, table: LakeTable): Promise<void> {
  for await (const commit of table.commits(-1, (await table.snapshot()).version)) {
    if (commit.adds.length === 0) continue;
    const key = `bronze/readings/_delta_log/${String(commit.version).padStart(20, '0')}.json`;
    const lines = new TextDecoder()
      .decode(await lake.store.read(key))
      .trim()
      .split('\n');
    const kept = lines.filter((line) => !('add' in JSON.parse(line)));
    await lake.store.put(key, new TextEncoder().encode(`${kept.join('\n')}\n`));
    return;
  }
}

async function addTwice(lake: Lake, table: LakeTable): Promise<void> {
  const [file] = (await table.snapshot()).files.values();
  const body = await lake.store.read(`bronze/readings/${file!.path}`);
  await lake.store.put('bronze/readings/copy.parquet', body!);
  await commitTo(table, { adds: [{ ...file!, path: 'copy.parquet' }] });
}

async function removeBadRow(lake: Lake, table: LakeTable): Promise<void> {
  const snapshot = await table.snapshot();
  for (const file of snapshot.files.values()) {
    await using session = await lake.duckdb.connect();
    await using rows = await scan(lake, snapshot, { files: [file] });
    const [bad] = await session.rows(`select min(_offset) as o from ${rows.sql} where _error is not null`);
    if (bad?.['o'] === null || bad === undefined) continue;
    const select = `select * from ${rows.sql} where _error is null or _offset <> ${bad['o']}`;
    const adds = await table.stage({ session, select, partitionValues: file.partitionValues });
    await commitTo(table, { adds, removes: [file], reads: 'table' });
    return;
  }
}

async function moveForward(_: Lake, table: LakeTable): Promise<void> {
  const [[appId, version] = ['', 0]] = (await table.snapshot()).txns;
  await commitTo(table, { txns: [{ appId, expected: version, version: version + 5 }] });
}

async function openRelease(lake: Lake, table: LakeTable): Promise<void> {
  const release = await newestRelease(lake.store);
  const { version } = await table.snapshot();
  const tables = { ...release!.tables, [BRONZE]: version - 1 };
  await publishRelease(lake, { ...release!, number: 2, parent: 1, run: 'open', tables });
}
