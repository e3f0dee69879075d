import { cpuUsage } from 'node:process';
import { parseArgs } from 'node:util';
import { paymentContent } from '../../infra/content.ts';
import { loadConfig } from '../../infra/core/config.ts';
import { createLogger } from '../../infra/core/logger.ts';
import { openFeatures } from '../../infra/features.ts';
import { DOMAINS } from '../../ingestion/simulator/domains.ts';
import { liveLabelDelay } from '../../ingestion/simulator/labelling.ts';
import { createLiveStream, NO_IRREGULARITIES } from '../../ingestion/simulator/liveStream.ts';
import { createWorld } from '../../ingestion/simulator/world.ts';
import { createCounters } from '../../scoring/counters.ts';
import type { DecideItem } from '../../scoring/decideBatch.ts';
import { createDecider } from '../../scoring/decider.ts';
import { encodeDecision } from '../../scoring/decision.ts';
import { createLane, isBad, type Lane } from '../../scoring/lane.ts';
import { loadModel } from '../../scoring/loadedModel.ts';
import { trainTrees } from '../../scoring/training/treeTraining.ts';
import { loadXgboost } from '../../scoring/training/xgboostLibrary.ts';
import type { GoldView } from '../../transforms/goldView.ts';
import { cardFeatures, filesOf } from '../scoring/modelFiles.ts';

/**
 * What a decision costs in memory: payload bytes → encoded decision, with 300 trees over ten classes, all
 * features, three domains. Prints figures; asserts nothing.
 * Usage: node test/bench/score.ts [--events N] [--actors N] [--batch N] [--shadow]
 */
const { values: options } = parseArgs({
  options: {
    events: { type: 'string', default: '200000' },
    actors: { type: 'string', default: '1000' },
    batch: { type: 'string', default: '256' },
    shadow: { type: 'boolean', default: false },
  },
});
const [events, actors, batchSize] = [options.events, options.actors, options.batch].map(Number) as [
  number,
  number,
  number,
];
const PARTITIONS = 12;
/** Events a measurement: short, since neighbours on the machine make the long ones slower. */
const PART = 2_560;
const START_MS = Date.UTC(2026, 0, 1);
const { classNames, policy } = paymentContent.scoring;
/** Marts that hold nobody: what reading real ones costs is not in the figures. */
const gold: GoldView = {
  closedToMs: START_MS + 1e9,
  read: (_entity, _id, _asOfMs, { row }) => {
    row.fill(1);
    return 'PRESENT';
  },
};

const sets = await openFeatures(paymentContent);
const records = simulate();
const files = train(records.slice(0, 30_000));
await using champion = await loadModel(files, sets);
await using challenger = await loadModel(files, sets);
const counters = createCounters();
const clock = { nowMs: () => Date.now() };
const log = createLogger({ name: 'bench', level: 'error' });
const decider = createDecider({ policy, clock, counters, log, limits: { deadlineMs: 1e12 } });
await decider.use(options.shadow ? { champion, challenger } : { champion });

const lanes = openLanes();
let bytes = 0;
const rates: number[] = [];
const half = Math.floor(records.length / 2);
for (let from = 0; from < records.length; from += PART) {
  const start = cpuUsage();
  const to = Math.min(from + PART, records.length);
  for (let at = from; at < to; at += batchSize) await decideFrom(at, Math.min(at + batchSize, to));
  const { user, system } = cpuUsage(start);
  // The first half fills the windows.
  if (from >= half && to - from === PART) rates.push(PART / ((user + system) / 1e6));
}
rates.sort((a, b) => a - b);
const rateAt = (share: number) =>
  Math.round(rates[Math.floor((rates.length - 1) * share)] ?? 0).toLocaleString('en-US');
const widths = sets.map(({ features }) => features.length).join('/');
print(`${records.length} events, ${widths} features, batches of ${batchSize}`);
print(`events per CPU-second: median ${rateAt(0.5)}, best tenth ${rateAt(0.9)} (of parts of ${PART})`);
print(`${(bytes / records.length).toFixed(0)} B a decision; ${JSON.stringify(counters.decisions)}`);
print(
  `keys ${[...lanes.values()].reduce((sum, lane) => sum + lane.keys, 0)}; unscored ${JSON.stringify(counters.unscored)}`,
);

// === Helpers ===

interface BenchRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly key: Buffer;
  readonly value: Buffer;
  readonly arrivedAtMs: number;
  readonly classIndex: number;
}

/** Some ten hours of traffic at the rate of 200,000 events. */
function simulate(): BenchRecord[] {
  const stream = createLiveStream({
    world: createWorld({ seed: 42, actorsPerDomain: Math.ceil(actors / 3) }),
    domains: DOMAINS,
    ratePerMinute: events / 600,
    startMs: START_MS,
    fraudRate: 0.02,
    labelDelay: liveLabelDelay(120_000),
    irregularities: NO_IRREGULARITIES,
  });
  const offsets = new Map<string, number>();
  return Array.from({ length: events }, () => {
    const { topic, key, value, timestampMs, truth } = stream.next();
    const partition = [...(key ?? '')].reduce((sum, c) => sum + c.charCodeAt(0), 0) % PARTITIONS;
    const offset = offsets.get(`${topic} ${partition}`) ?? 0;
    offsets.set(`${topic} ${partition}`, offset + 1);
    const classIndex = Math.max(0, classNames.indexOf(truth.pattern));
    const buffers = { key: Buffer.from(key ?? ''), value: Buffer.from(String(value)) };
    return { topic, partition, offset, ...buffers, arrivedAtMs: timestampMs, classIndex };
  });
}

function openLanes(): Map<string, Lane> {
  return new Map(
    sets.flatMap((set) => {
      const contract = paymentContent.contracts.find(({ table }) => table === set.source.table);
      if (contract === undefined) return [];
      return Array.from({ length: PARTITIONS }, (_, partition) => {
        const place = { topic: contract.topic, topicId: 'aaaaaaaaaaaaaaaaaaaaaa', partition };
        return [`${contract.topic} ${partition}`, createLane({ place, set, contract, gold })] as const;
      });
    }),
  );
}

/** Every class gets rows: types that are rare are drawn by the bits of the vector, so that all trees grow. */
function train(rows: readonly BenchRecord[]) {
  const features = cardFeatures(sets);
  const width = features.length;
  const values = new Float32Array(rows.length * width).fill(Number.NaN);
  const classes = new Uint8Array(rows.length);
  const open = openLanes();
  rows.forEach((record, row) => {
    const lane = open.get(`${record.topic} ${record.partition}`);
    const judged = lane?.judge(record);
    if (lane === undefined || judged === undefined || isBad(judged)) return;
    lane.next(judged);
    features.forEach(({ name }, i) => {
      const place = lane.set.features.findIndex(({ entry }) => entry.name === name);
      if (place !== -1) values[row * width + i] = lane.vector[place] as number;
    });
    const noise = (record.offset * 7919 + row * 104_729) % 100;
    classes[row] = noise < 30 ? noise % classNames.length : record.classIndex;
  });
  const xgboost = loadXgboost(loadConfig(process.env).toolsDir);
  const set = {
    name: 'training',
    featureNames: features.map(({ name }) => name),
    values,
    classNames,
    classes,
    eventTimesMs: new Float64Array(rows.length),
    knownAtMs: new Float64Array(rows.length),
    entities: [],
  };
  const trees = trainTrees(xgboost, set, {
    rounds: 30,
    maxDepth: 6,
    learningRate: 0.15,
    minChildWeight: 1,
    subsample: 1,
    seed: 42,
    threads: 1,
  });
  const sample = values.slice(0, 20 * width);
  const probabilities = xgboost.predict(trees, { values: sample, featureCount: width });
  const samples = Array.from({ length: 20 }, (_, row) => ({
    values: sample.slice(row * width, (row + 1) * width),
    probabilities: [...probabilities.subarray(row * classNames.length, (row + 1) * classNames.length)],
  }));
  return filesOf({ features, classNames, trees, samples, thresholds: { review: 0.45, decline: 0.9 } });
}

async function decideFrom(from: number, to: number): Promise<void> {
  const receivedAtMs = Date.now();
  const batch: DecideItem[] = [];
  for (let i = from; i < to; i += 1) {
    const record = records[i] as BenchRecord;
    const lane = lanes.get(`${record.topic} ${record.partition}`) as Lane;
    batch.push({ lane, offset: record.offset, record, receivedAtMs });
  }
  for (const decision of await decider.decide(batch)) bytes += encodeDecision(decision).length;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
