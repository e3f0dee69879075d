import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cpuUsage, memoryUsage } from 'node:process';
import { parseArgs } from 'node:util';
import { paymentContent } from '../../infra/content.ts';
import { loadConfig } from '../../infra/core/config.ts';
import { partitionOf } from '../../infra/core/kafka.ts';
import { createLogger } from '../../infra/core/logger.ts';
import { openFeatures } from '../../infra/features.ts';
import { openLake } from '../../infra/lake.ts';
import { BronzeBatch } from '../../ingestion/bronzeBatch.ts';
import { commitBatch, openBronze, stageBatch } from '../../ingestion/bronzeTable.ts';
import { compileDecoder } from '../../ingestion/decoder.ts';
import { liveLabelDelay } from '../../ingestion/simulator/labelling.ts';
import { createLiveStream, NO_IRREGULARITIES } from '../../ingestion/simulator/liveStream.ts';
import { createWorld } from '../../ingestion/simulator/world.ts';
import { createLane } from '../../scoring/lane.ts';
import { foldHistory } from '../../scoring/runtime/bronzeHistory.ts';

/**
 * What it costs to restore the windows of one source from bronze: rows read, sorted and folded in.
 * Usage: node test/bench/scoreRestore.ts [--events N] [--actors N]
 */
const { values: options } = parseArgs({
  options: {
    events: { type: 'string', default: '1000000' },
    actors: { type: 'string', default: '20000' },
  },
});
const events = Number(options.events);
const LIVE = 'topic-1';
const BATCH = 100_000;
const dir = await mkdtemp(join(tmpdir(), 'tidemark-restore-'));
await using stack = new AsyncDisposableStack();
stack.defer(() => rm(dir, { recursive: true, force: true }));
await mkdir(join(dir, 'home'));
const config = loadConfig({ ...process.env, TIDEMARK_HOME: join(dir, 'home') });
const lake = stack.use(await openLake(config, { log: createLogger({ name: 'bench', level: 'error' }) }));
const set = (await openFeatures(paymentContent)).find(({ source }) => source.name === 'fintech');
const contract = paymentContent.contracts.find(({ table }) => table === set?.source.table);
if (set === undefined || contract === undefined) throw new Error('no such source');
const table = await openBronze(lake, contract);
const next = new Array<number>(contract.partitions).fill(0);
await land();
const snapshot = await table.snapshot();
const lanes = next.map((_, partition) => {
  return createLane({ place: { topic: contract.topic, topicId: LIVE, partition }, set, contract });
});
const below = new Map(next.map((offset, partition) => [partition, offset]));
const start = { cpu: cpuUsage(), ms: performance.now(), rss: memoryUsage().rss };
let folded = 0;
await foldHistory(
  { lake, snapshot, set, contract, topicId: LIVE },
  { below, isOver: () => false },
  (number, record) => {
    lanes[number]?.fold(record);
    folded += 1;
  },
);
const { user, system } = cpuUsage(start.cpu);
const keys = lanes.reduce((sum, lane) => sum + lane.keys, 0);
process.stdout.write(
  `${folded} rows of ${snapshot.files.size} files, ${keys} keys: ${((user + system) / 1e6).toFixed(2)} CPU-s, ` +
    `${((performance.now() - start.ms) / 1e3).toFixed(2)} s, ${Math.round((memoryUsage().rss - start.rss) / 2 ** 20)} MB more\n`,
);

// === Helpers ===

async function land(): Promise<void> {
  if (contract === undefined) return;
  const stream = createLiveStream({
    world: createWorld({ seed: 42, actorsPerDomain: Number(options.actors) }),
    domains: ['fintech'],
    ratePerMinute: events / 1_200,
    startMs: Date.UTC(2026, 0, 1),
    fraudRate: 0.02,
    labelDelay: liveLabelDelay(120_000),
    irregularities: NO_IRREGULARITIES,
  });
  await using session = await lake.duckdb.connect();
  for (let left = events; left > 0; left -= BATCH) {
    using batch = new BronzeBatch({
      decoder: compileDecoder(contract),
      scratchDir: lake.stagingDir,
      startedMs: 0,
    });
    for (let n = 0; n < Math.min(left, BATCH); n += 1) {
      const { key, value, timestampMs } = stream.next();
      const partition = partitionOf(key ?? '', contract.partitions);
      const offset = next[partition] ?? 0;
      next[partition] = offset + 1;
      const record = {
        key: Buffer.from(key ?? ''),
        value: Buffer.from(String(value)),
        arrivedAtMs: timestampMs,
      };
      batch.add({ ...record, partition, offset });
    }
    const adds = await stageBatch({ table, contract, session }, batch, { topicId: LIVE, ingestedAtMs: 0 });
    await commitBatch({ table, contract }, { adds, ranges: new Map() }, { cluster: 'main', topicId: LIVE });
  }
}
