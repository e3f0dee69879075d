import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { systemClock } from '../../infra/core/clock.ts';
import { loadConfig } from '../../infra/core/config.ts';
import { noCrash } from '../../infra/core/crashPoint.ts';
import { connectProducer, ensureTopics, type OutgoingRecord } from '../../infra/core/kafka.ts';
import { createLogger } from '../../infra/core/logger.ts';
import type { Postgres } from '../../infra/core/postgres.ts';
import { freePorts } from '../../infra/stack/freePorts.ts';
import { startKafka } from '../../infra/stack/kafkaServer.ts';
import { startPostgres } from '../../infra/stack/postgresServer.ts';
import { decisions } from '../../ingestion/contracts/decisions.ts';
import { topicSpecs } from '../../ingestion/landing.ts';
import { openAlertStore } from '../../scoring/alerts/alertStore.ts';
import { runAlerts } from '../../scoring/alerts/runAlerts.ts';
import { decisionId } from '../../scoring/decision.ts';

/**
 * What alerts cost: a real broker holds decisions with vectors, the loops of `jobs` work them off into a
 * real PostgreSQL; CPU time is that of this process, so without the servers.
 */
const log = createLogger({ name: 'bench', level: 'error' });
const { values: options } = parseArgs({
  options: {
    decisions: { type: 'string', default: '300000' },
    /** One of so many is a review or a decline. */
    every: { type: 'string', default: '200' },
  },
});
const COUNT = Number(options.decisions);
const EVERY = Number(options.every);
const CHUNK = 20_000;
const KEYS = 5_000;

await using stack = new AsyncDisposableStack();
const dir = mkdtempSync(join(tmpdir(), 'tidemark-bench-'));
stack.defer(() => rmSync(dir, { recursive: true, force: true }));
const [port = 0, controllerPort = 0, postgresPort = 0] = await freePorts(3);
const { toolsDir } = loadConfig(process.env);
const launch = { dieWithParent: true };
const kafka = startKafka({ dir: join(dir, 'kafka'), port, controllerPort, toolsDir }, launch);
stack.defer(() => kafka.stop());
const server = startPostgres({ dir: join(dir, 'postgres'), port: postgresPort }, launch);
stack.defer(() => server.stop());
await Promise.all([kafka.ready, server.ready]);
const brokers = [kafka.brokers];
await ensureTopics(brokers, topicSpecs(decisions));
await fill();

await using postgres = await openAlertStore(server.url, log);
const controller = new AbortController();
const cpuBefore = process.cpuUsage();
const startedMs = performance.now();
const running = runAlerts(
  {
    brokers,
    decisions,
    log,
    postgresUrl: server.url,
    groupId: 'bench-alerts',
    windowMs: 3_600_000,
    clock: systemClock,
    crashPoint: noCrash,
    readVerdicts: async () => [],
  },
  { signal: controller.signal },
);
let firstMs: number | undefined;
let firstSeen = 0;
for (;;) {
  const seen = await seenDecisions(postgres);
  if (seen > 0 && firstMs === undefined) {
    firstMs = performance.now();
    firstSeen = seen;
  }
  if (seen >= COUNT) break;
  await wait(50);
}
const endedMs = performance.now();
const cpu = process.cpuUsage(cpuBefore);
const [totals] = await postgres.query<{ alerts: number; joined: number }>(
  'select count(*) as alerts, sum(decisions)::bigint as joined from tidemark.alerts',
);
controller.abort();
await running;
const cpuSeconds = (cpu.user + cpu.system) / 1e6;
const steady = (COUNT - firstSeen) / ((endedMs - (firstMs ?? startedMs)) / 1_000);
print(`machine: ${cpus().length} × ${cpus()[0]?.model}, Node ${process.version}`);
print(`command: node test/bench/alerts.ts --decisions ${COUNT} --every ${EVERY}`);
print(`decisions ${COUNT}, of which ${totals?.joined} joined ${totals?.alerts} alerts`);
print(
  `from start to last: ${((endedMs - startedMs) / 1_000).toFixed(1)} s; steady ${Math.round(steady)} decisions/s`,
);
print(`${Math.round(COUNT / cpuSeconds)} decisions per CPU-second of this process`);
print(`peak RSS ${Math.round(process.resourceUsage().maxRSS / 1_024)} MB, with what filled the topic`);

// === Helpers ===

async function fill(): Promise<void> {
  await using producer = await connectProducer({ brokers, clientId: 'bench', log });
  for (let from = 0; from < COUNT; from += CHUNK) {
    const records = Array.from({ length: Math.min(CHUNK, COUNT - from) }, (_, index) =>
      recordOf(from + index),
    );
    await producer.send(decisions.topic, records);
  }
}

function recordOf(n: number): OutgoingRecord {
  const partition = n % decisions.partitions;
  const offset = Math.floor(n / decisions.partitions);
  const isAlerting = n % EVERY === 0;
  const key = `A${n % KEYS}`;
  const value = {
    decision_id: decisionId({
      topic: 'tx',
      topicId: 'aaaaaaaa-0000-4000-8000-000000000001',
      partition,
      offset,
    }),
    key,
    event_id: `E${n}`,
    event_time: new Date().toISOString(),
    decided_at: new Date().toISOString(),
    decision: isAlerting ? 'review' : 'approve',
    risk_tier: isAlerting ? 'high' : 'low',
    ...(isAlerting
      ? { reasons: ['amount 40 times the mean', 'new device', 'three countries in an hour'] }
      : {}),
    class: isAlerting ? 'fraud_card_testing' : 'regular',
    p_fraud: isAlerting ? 0.7 : 0.01,
    model_version: '20260101T000000Z-0123456789ab',
    feature_list: '0123456789abcdef',
    vector: Buffer.alloc(4 * 26, n % 251).toString('base64'),
    statuses: 'PPPP',
  };
  return { key, value: JSON.stringify(value), partition };
}

async function seenDecisions(on: Postgres): Promise<number> {
  const [row] = await on.query<{ n: number }>(
    'select coalesce(sum(next_offset), 0)::bigint as n from tidemark.alert_high_water',
  );
  return row?.n ?? 0;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
