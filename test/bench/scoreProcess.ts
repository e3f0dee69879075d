import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { paymentContent } from '../../infra/content.ts';
import { loadConfig } from '../../infra/core/config.ts';
import { connectProducer, ensureTopics, fetchTopicStates } from '../../infra/core/kafka.ts';
import { createLogger } from '../../infra/core/logger.ts';
import { openFeatures } from '../../infra/features.ts';
import { openGrid } from '../../infra/grid.ts';
import { openLake } from '../../infra/lake.ts';
import { freePorts } from '../../infra/stack/freePorts.ts';
import { startKafka } from '../../infra/stack/kafkaServer.ts';
import { NODE_FLAGS } from '../../infra/stack/nodeFlags.ts';
import { topicSpecs } from '../../ingestion/landing.ts';
import { DOMAINS, TOPIC_OF } from '../../ingestion/simulator/domains.ts';
import { liveLabelDelay } from '../../ingestion/simulator/labelling.ts';
import { createLiveStream, NO_IRREGULARITIES } from '../../ingestion/simulator/liveStream.ts';
import { createWorld } from '../../ingestion/simulator/world.ts';
import { openTable } from '../../lakehouse/table.ts';
import { openRegistry } from '../../scoring/registry.ts';
import { busyModel } from '../scoring/busyModel.ts';

/**
 * What the production scorer costs on a real broker: restoring the windows of landed events, events per
 * CPU-second (of the process, from the kernel) with 300 trees of ten classes, latency at 100,000 a minute.
 * Usage: node test/bench/scoreProcess.ts [--landed N] [--events N] [--actors N] [--seconds N]
 */
const { values: options } = parseArgs({
  options: {
    landed: { type: 'string', default: '1000000' },
    events: { type: 'string', default: '300000' },
    actors: { type: 'string', default: '3000' },
    seconds: { type: 'string', default: '30' },
  },
});
const PER_MINUTE = 100_000;
const topics = DOMAINS.map((domain) => TOPIC_OF[domain]);
const log = createLogger({ name: 'bench', level: 'error' });
const dir = mkdtempSync(join(tmpdir(), 'tidemark-bench-'));
await using stack = new AsyncDisposableStack();
stack.defer(() => rmSync(dir, { recursive: true, force: true }));
const [port = 0, controllerPort = 0] = await freePorts(2);
const { toolsDir } = loadConfig(process.env);
const kafka = startKafka(
  { dir: join(dir, 'kafka'), port, controllerPort, toolsDir },
  { dieWithParent: true },
);
stack.defer(() => kafka.stop());
await kafka.ready;
const brokers = [kafka.brokers];
const env = { ...process.env, TIDEMARK_HOME: join(dir, 'home'), TIDEMARK_KAFKA: kafka.brokers };
const config = loadConfig(env);
await ensureTopics(brokers, paymentContent.contracts.flatMap(topicSpecs));
const producer = stack.use(await connectProducer({ brokers, clientId: 'bench', log }));
const stream = createLiveStream({
  world: createWorld({ seed: 42, actorsPerDomain: Math.ceil(Number(options.actors) / 3) }),
  domains: DOMAINS,
  ratePerMinute: PER_MINUTE,
  startMs: Date.now() - 15 * 60_000,
  fraudRate: 0.02,
  labelDelay: liveLabelDelay(120_000),
  irregularities: NO_IRREGULARITIES,
});

print(`machine: ${cpus().length} × ${cpus()[0]?.model}, Node ${process.version}`);
await send(Number(options.landed));
const ingest = start('ingest');
await untilLanded();
await stop(ingest);
await prepare();
const scorer = start('score');
await said(scorer, 'partitions taken up');
const takenUp = /"keys":(\d+).*"ms":(\d+).*partitions taken up/.exec(output('score'));
print(
  `restore: ${options.landed} landed events, ${takenUp?.[1]} keys in ${takenUp?.[2]} ms, ${rssMb(scorer)} MB`,
);

const before = { cpu: cpuSeconds(scorer), decided: await decided() };
const startedMs = performance.now();
await send(Number(options.events));
await untilDecided(before.decided + Number(options.events));
const [cpu, seconds] = [cpuSeconds(scorer) - before.cpu, (performance.now() - startedMs) / 1_000];
print(
  `throughput: ${rate(Number(options.events) / cpu)} events per CPU-second, ${rate(Number(options.events) / seconds)} a second, ${rssMb(scorer)} MB`,
);

const lines = output('score').length;
const cpuBefore = cpuSeconds(scorer);
for (let second = 0; second < Number(options.seconds) * 10; second += 1) {
  const nextMs = performance.now() + 100;
  await send(Math.round(PER_MINUTE / 600));
  await wait(Math.max(0, nextMs - performance.now()));
}
print(
  `load at that rate: ${((cpuSeconds(scorer) - cpuBefore) / Number(options.seconds)).toFixed(2)} of a CPU`,
);
await stop(scorer);
for (const [, count, p50, p99] of output('score')
  .slice(lines)
  .matchAll(/"decided":(\d+),"p50Ms":(\d+),"p99Ms":(\d+)/g)) {
  print(
    `at ${rate(PER_MINUTE)} a minute: ${count} decided, p50 ${p50} ms, p99 ${p99} ms from arrival to acknowledgement`,
  );
}

// === Helpers ===

function start(name: string): ChildProcess {
  const fd = openSync(join(dir, `${name}.log`), 'a');
  const file = join(import.meta.dirname, '..', '..', 'infra', 'processes', `${name}.ts`);
  const child = spawn(process.execPath, [...NODE_FLAGS, file], { env, stdio: ['ignore', 'ignore', fd] });
  closeSync(fd);
  stack.defer(() => stop(child));
  return child;
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  await once(child, 'exit');
}

function output(name: string): string {
  return readFileSync(join(dir, `${name}.log`), 'utf8');
}

async function said(child: ChildProcess, text: string): Promise<void> {
  while (!output('score').includes(text)) {
    if (child.exitCode !== null) throw new Error(`score ended:\n${output('score')}`);
    await wait(50);
  }
}

async function send(events: number): Promise<void> {
  for (let left = events; left > 0; left -= 10_000) {
    const some = Array.from({ length: Math.min(left, 10_000) }, () => stream.next());
    for (const [topic, records] of Map.groupBy(some, (one) => one.topic)) await producer.send(topic, records);
  }
}

/** Marts and a model, so that each event is asked of 300 trees. */
async function prepare(): Promise<void> {
  await using lake = await openLake(config, { log });
  const run = await openGrid(lake, paymentContent, config);
  print(`grid: ${(await run()).outcome}`);
  const { classNames } = paymentContent.scoring;
  const files = busyModel({ sets: await openFeatures(paymentContent), classNames, rounds: 30, depth: 6 });
  const registry = openRegistry(lake);
  await registry.register(files);
  const { version } = files.card;
  const { seen } = await registry.aliases();
  await registry.point({ alias: 'champion', move: 'promote', version, by: 'bench', reason: 'bench' }, seen);
}

async function untilLanded(): Promise<void> {
  const states = await fetchTopicStates(brokers, topics);
  const records = states.flatMap(({ partitions }) => partitions).reduce((sum, { logEnd }) => sum + logEnd, 0);
  await using lake = await openLake(config, { log });
  for (let landed = -1; landed < records; await wait(200)) {
    landed = 0;
    for (const { topic, table } of paymentContent.contracts.filter((one) => topics.includes(one.topic))) {
      const txns = (await (await openTable(lake, table))?.snapshot())?.txns ?? new Map<string, number>();
      for (const [appId, next] of txns) if (appId.includes(`:${topic}@`)) landed += next;
    }
  }
}

async function decided(): Promise<number> {
  const [state] = await fetchTopicStates(brokers, ['decisions']);
  return (state?.partitions ?? []).reduce((sum, { logEnd }) => sum + logEnd, 0);
}

async function untilDecided(count: number): Promise<void> {
  while ((await decided()) < count) await wait(50);
}

/** Of all threads, from the kernel; ticks are 1/100 s. */
function cpuSeconds(child: ChildProcess): number {
  const stat = readFileSync(`/proc/${child.pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

function rssMb(child: ChildProcess): number {
  const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1_024);
}

function rate(n: number): string {
  return Math.round(n).toLocaleString('en-US');
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
