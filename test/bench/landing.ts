import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { paymentContent } from '../../infra/content.ts';
import { loadConfig } from '../../infra/core/config.ts';
import {
  connectProducer,
  ensureTopics,
  fetchTopicStates,
  type KafkaProducer,
} from '../../infra/core/kafka.ts';
import { createLogger } from '../../infra/core/logger.ts';
import { openLake } from '../../infra/lake.ts';
import { freePorts } from '../../infra/stack/freePorts.ts';
import { startKafka } from '../../infra/stack/kafkaServer.ts';
import { NODE_FLAGS } from '../../infra/stack/nodeFlags.ts';
import { topicSpecs } from '../../ingestion/landing.ts';
import { landedProgress } from '../../ingestion/progress.ts';
import { DOMAINS, type Domain, TOPIC_OF } from '../../ingestion/simulator/domains.ts';
import { liveLabelDelay } from '../../ingestion/simulator/labelling.ts';
import { createLiveStream, NO_IRREGULARITIES } from '../../ingestion/simulator/liveStream.ts';
import { createWorld } from '../../ingestion/simulator/world.ts';
import { openTable } from '../../lakehouse/table.ts';

/**
 * What landing costs: fills a real broker with the simulator's events, lets the production ingest
 * process land them into an empty lake, and reads its CPU time from the kernel, threads and waited
 * children included. `--keep` leaves the lake behind for a look.
 */
interface Scenario {
  readonly name: string;
  readonly domains: readonly Domain[];
  readonly mustPerCpuSecond: number;
}

const SCENARIOS: readonly Scenario[] = [
  { name: 'one topic', domains: ['fintech'], mustPerCpuSecond: 100_000 },
  { name: 'three-domain mix', domains: DOMAINS, mustPerCpuSecond: 70_000 },
];

const root = join(import.meta.dirname, '..', '..');
const log = createLogger({ name: 'bench', level: 'error' });
const { values: options } = parseArgs({
  options: {
    events: { type: 'string', default: '1000000' },
    runs: { type: 'string', default: '1' },
    scenario: { type: 'string' },
    keep: { type: 'boolean', default: false },
  },
});

const scenarios = SCENARIOS.filter(
  ({ name }) => options.scenario === undefined || name.startsWith(options.scenario),
);
print(`machine: ${cpus().length} × ${cpus()[0]?.model}, Node ${process.version}`);
print(`command: node test/bench/landing.ts --events ${options.events} --runs ${options.runs}`);
for (const scenario of scenarios) {
  const results: Result[] = [];
  for (let run = 0; run < Number(options.runs); run += 1) results.push(await measure(scenario));
  report(scenario, results);
}
print('peer figures (same kind of machine): Spark 4.2 + Delta, always on: 33,700 events/CPU-s, 2.3 GB RSS');

// === Helpers ===

interface Result {
  readonly events: number;
  readonly bytes: number;
  readonly cpuSeconds: number;
  readonly wallSeconds: number;
  readonly peakRssMb: number;
}

async function measure(scenario: Scenario): Promise<Result> {
  await using stack = new AsyncDisposableStack();
  const dir = mkdtempSync(join(tmpdir(), 'tidemark-bench-'));
  stack.defer(() => {
    if (options.keep) print(`kept: ${dir}`);
    else rmSync(dir, { recursive: true, force: true });
  });
  const [port = 0, controllerPort = 0] = await freePorts(2);
  const { toolsDir } = loadConfig(process.env);
  const kafka = startKafka(
    { dir: join(dir, 'kafka'), port, controllerPort, toolsDir },
    { dieWithParent: true },
  );
  stack.defer(() => kafka.stop());
  await kafka.ready;
  const filled = await fill(kafka.brokers, scenario.domains);
  return await land(kafka.brokers, { dir, topics: scenario.domains.map((d) => TOPIC_OF[d]), ...filled });
}

async function fill(brokers: string, domains: readonly Domain[]): Promise<{ events: number; bytes: number }> {
  await ensureTopics([brokers], paymentContent.contracts.flatMap(topicSpecs));
  await using producer = await connectProducer({ brokers: [brokers], clientId: 'bench', log });
  const events = Number(options.events);
  const stream = createLiveStream({
    world: createWorld({ seed: 42, actorsPerDomain: 1_000 }),
    domains,
    ratePerMinute: events,
    startMs: Date.now() - 60_000,
    fraudRate: 0.02,
    labelDelay: liveLabelDelay(120_000),
    irregularities: NO_IRREGULARITIES,
  });
  let bytes = 0;
  let batches = new Map<string, { key: string | null; value: string }[]>();
  for (let n = 1; n <= events; n += 1) {
    const { topic, key, value } = stream.next();
    const text = String(value);
    bytes += Buffer.byteLength(text);
    const batch = batches.get(topic) ?? [];
    batch.push({ key, value: text });
    batches.set(topic, batch);
    if (n % 10_000 === 0 || n === events) {
      await sendAll(producer, batches);
      batches = new Map();
    }
  }
  return { events, bytes };
}

async function sendAll(
  producer: KafkaProducer,
  batches: ReadonlyMap<string, { key: string | null; value: string }[]>,
) {
  await Promise.all([...batches].map(([topic, records]) => producer.send(topic, records)));
}

async function land(
  brokers: string,
  work: { dir: string; topics: readonly string[]; events: number; bytes: number },
): Promise<Result> {
  const env = { ...process.env, TIDEMARK_HOME: join(work.dir, 'home'), TIDEMARK_KAFKA: brokers };
  const logFd = openSync(join(work.dir, 'ingest.log'), 'a');
  const started = performance.now();
  const child = spawn(process.execPath, [...NODE_FLAGS, join(root, 'infra', 'processes', 'ingest.ts')], {
    env,
    stdio: ['ignore', 'ignore', logFd],
  });
  closeSync(logFd);
  try {
    await untilLanded(brokers, work.topics, env, child);
    const wallSeconds = (performance.now() - started) / 1_000;
    const usage = usageOf(child);
    await stop(child);
    verify(env);
    return { ...work, wallSeconds, ...usage };
  } finally {
    await stop(child);
  }
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  await once(child, 'exit');
}

/** A fast result that is wrong is none. */
function verify(env: NodeJS.ProcessEnv): void {
  const done = spawnSync(process.execPath, [...NODE_FLAGS, join(root, 'infra', 'cli', 'main.ts'), 'verify'], {
    env,
    encoding: 'utf8',
  });
  if (done.status !== 0) throw new Error(`verify failed:\n${done.stdout}\n${done.stderr}`);
  print('verify: clean');
}

async function untilLanded(
  brokers: string,
  topics: readonly string[],
  env: NodeJS.ProcessEnv,
  child: ChildProcess,
): Promise<void> {
  const states = await fetchTopicStates([brokers], topics);
  await using lake = await openLake(loadConfig(env), { log });
  for (;;) {
    if (child.exitCode !== null) throw new Error(`ingest ended with ${child.exitCode}`);
    let open = 0;
    for (const { topic, topicId, partitions } of states) {
      const contract = paymentContent.contracts.find((c) => c.topic === topic);
      const table = await openTable(lake, contract?.table ?? '');
      const snapshot = await table?.snapshot();
      const place = { tableId: table?.id ?? '', cluster: 'main', topic };
      const next = snapshot && landedProgress(snapshot, place).get(topicId);
      for (const { partition, logEnd } of partitions) open += logEnd - (next?.get(partition) ?? 0);
    }
    if (open === 0) return;
    await wait(100);
  }
}

/** CPU of all threads and of waited children, from the kernel; ticks are 1/100 s. */
function usageOf(child: ChildProcess): { cpuSeconds: number; peakRssMb: number } {
  const stat = readFileSync(`/proc/${child.pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = [11, 12, 13, 14].reduce((sum, index) => sum + Number(fields[index]), 0);
  const peakKb = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1];
  return { cpuSeconds: ticks / 100, peakRssMb: Number(peakKb) / 1_024 };
}

function report({ name, mustPerCpuSecond }: Scenario, results: readonly Result[]): void {
  const rates = results.map(({ events, cpuSeconds }) => events / cpuSeconds).sort((a, b) => a - b);
  const median = rates[Math.floor(rates.length / 2)] ?? 0;
  const [first] = results;
  if (first === undefined) return;
  const bytesPerEvent = first.bytes / first.events;
  const perWall = Math.max(...results.map(({ events, wallSeconds }) => events / wallSeconds));
  print(
    `\n${name}: ${count(first.events)} events of ${bytesPerEvent.toFixed(0)} B, ${results.length} run(s)`,
  );
  print(
    `  events per CPU-second ${count(median)} (${count(rates[0] ?? 0)} … ${count(rates.at(-1) ?? 0)}), wanted ${count(mustPerCpuSecond)}`,
  );
  print(`  MB per CPU-second     ${((median * bytesPerEvent) / 1e6).toFixed(1)}`);
  print(`  events per second     ${count(perWall)} (from the start of the process)`);
  print(
    `  peak RSS              ${Math.max(...results.map((r) => r.peakRssMb)).toFixed(0)} MB, wanted at most 400`,
  );
}

function count(n: number): string {
  return Math.round(n).toLocaleString('en-US');
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
