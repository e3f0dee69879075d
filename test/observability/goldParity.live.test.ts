import { afterAll, beforeAll, expect, it } from 'vitest';
import { openFeatures } from '../../infra/features.ts';
import { featureSettings } from '../../infra/grid.ts';
import type { Contract } from '../../ingestion/contract.ts';
import { txFintech } from '../../ingestion/contracts/txFintech.ts';
import { txGaming } from '../../ingestion/contracts/txGaming.ts';
import { compareFeatures, type ParityReport } from '../../observability/featureParity.ts';
import type { Decision } from '../../scoring/decision.ts';
import { decisionId } from '../../scoring/decision.ts';
import { createLane, isBad, type Lane } from '../../scoring/lane.ts';
import { decodeVector, encodeVector } from '../../scoring/vectorCodec.ts';
import type { FeatureEntry } from '../../transforms/feature.ts';
import { goldEntitiesOf } from '../../transforms/featureSet.ts';
import { openGoldMarts } from '../../transforms/grid/goldMarts.ts';
import { openTempLake, type TempLake } from '../support/tempLake.ts';
import { gridConfig, gridContent, landScene, openTestGrid, scenes } from '../transforms/grid/gridWorld.ts';
import { landDecisions } from './decidedLake.ts';

/** Gold values as scorers saw them, grid point by grid point, against tiles of later. Takes seconds: of `make test`. */

const START = Date.UTC(2026, 2, 1, 23, 58, 13);
const SCENES = scenes(11, 24, START);
/** While the grid stands still in these, its marts become stale, then older than is served. */
const isStill = (index: number) => index >= 8 && index < 17;

const MORE: readonly FeatureEntry[] = [
  {
    name: 'n_5m',
    number: 'T',
    kind: 'stream',
    entity: 'key',
    aggregation: 'count',
    window: '5m',
    description: 'windows',
  },
  { name: 'pace', number: 'T', kind: 'derived', expression: 'n_5m / n_20s', description: 'windows and gold' },
];
const base = gridContent();
const content = { ...base, features: { ...base.features, entries: [...base.features.entries, ...MORE] } };
const sets = await openFeatures(content, featureSettings(gridConfig));
const sources = [txFintech, txGaming].map(({ topic, table }) => ({
  topic,
  set: sets.find(({ source }) => source.table === table)!,
}));

let lake: TempLake;
let decided: Decision[];
beforeAll(async () => {
  lake = await openTempLake();
  decided = [];
  const { run } = await openTestGrid(lake, { content });
  const marts = await openGoldMarts(lake, goldEntitiesOf(sets), { heldFromMs: START - 600_000 });
  const lanes = new Map<string, { lane: Lane; next: number }>();
  for (const [index, scene] of SCENES.entries()) {
    await lake.clock.sleep(scene.nowMs - lake.clock.nowMs());
    await landScene(lake, scene);
    if (!isStill(index)) await run();
    await marts.refresh();
    for (const { contract, partition, records } of scene.lands) {
      const at = laneOf(lanes, contract, partition, marts.view);
      if (at === undefined) continue;
      for (const { arrivedAtMs, value } of records) {
        const key = Buffer.from(String(value[contract.key]));
        decided.push(...decide(at, { key, value: Buffer.from(JSON.stringify(value)), arrivedAtMs }));
      }
    }
  }
  await landDecisions(lake, decided);
}, 60_000);
afterAll(() => lake[Symbol.asyncDispose]());

const compare = (): Promise<ParityReport> =>
  compareFeatures(lake, { sources, decisions: 'bronze.decisions', last: 10_000, oneKeyIn: 1 });

it('gold values that were complete when they were seen are those of the tiles, bit by bit', async () => {
  const letters = new Set(decided.flatMap(({ statuses = '' }) => [...statuses.slice(1)]));
  expect([...letters].toSorted()).toEqual(['N', 'O', 'P', 'S']);
  const report = await compare();
  expect(report.examples).toEqual([]);
  expect(report.isEqual).toBe(true);
  const counts = report.sources.flatMap(({ features }) => features);
  for (const name of ['n_20s', 'sd_60s', 'users_30s', 'first_60s', 'fraud_60s', 'pace']) {
    const own = counts.filter((one) => one.name === name);
    expect(
      own.reduce((sum, one) => sum + one.equal, 0),
      name,
    ).toBeGreaterThan(20);
    expect(
      own.reduce((sum, one) => sum + one.apart, 0),
      name,
    ).toBeGreaterThan(10);
  }
});

it('a gold value that is off by one bit is found', async () => {
  const { features } = sources[0]!.set;
  const at = features.findIndex(({ entry }) => entry.name === 'sum_60s');
  const index = decided.findIndex(
    ({ decision_id, statuses }) => decision_id.startsWith(txFintech.topic) && statuses?.startsWith('PP'),
  );
  const vector = decodeVector(decided[index]?.vector ?? '');
  const bits = new Uint32Array(vector.buffer);
  bits[at] = (bits[at] ?? 0) ^ 1;
  await using other = await openTempLake();
  const damaged = decided.map((one, i) => (i === index ? { ...one, vector: encodeVector(vector) } : one));
  await copyTables(other);
  await landDecisions(other, damaged);
  const report = await compareFeatures(other, {
    sources,
    decisions: 'bronze.decisions',
    last: 10_000,
    oneKeyIn: 1,
  });
  expect(report).toMatchObject({
    isEqual: false,
    examples: [{ decisionId: decided[index]?.decision_id, feature: 'sum_60s' }],
  });
});

// === Helpers ===

async function copyTables(other: TempLake): Promise<void> {
  for (const prefix of ['bronze/tx_', 'gold/']) {
    for await (const { key } of lake.store.list(prefix)) {
      const body = await lake.store.read(key);
      await other.store.put(key, body!);
    }
  }
}

function laneOf(
  lanes: Map<string, { lane: Lane; next: number }>,
  contract: Contract,
  partition: number,
  gold: Parameters<typeof createLane>[0]['gold'],
) {
  const set = sources.find(({ topic }) => topic === contract.topic)?.set;
  if (set === undefined) return undefined;
  const name = `${contract.topic} ${partition}`;
  const place = { topic: contract.topic, topicId: 'id-1', partition };
  const known = lanes.get(name) ?? { lane: createLane({ place, set, contract, gold }), next: 0 };
  lanes.set(name, known);
  return known;
}

function decide(
  at: { readonly lane: Lane; next: number },
  record: { readonly key: Buffer; readonly value: Buffer; readonly arrivedAtMs: number },
): Decision[] {
  const { lane } = at;
  const offset = at.next;
  at.next += 1;
  const judged = lane.judge(record);
  if (isBad(judged)) throw new Error('a record of the scene is bad');
  const statuses = lane.next(judged);
  return [
    {
      decision_id: decisionId({ ...lane.place, offset }),
      key: String(record.key),
      decided_at: new Date(record.arrivedAtMs).toISOString(),
      decision: 'review',
      risk_tier: 'high',
      reason_code: 'NO_MODEL',
      feature_list: lane.featureList,
      vector: encodeVector(lane.vector),
      statuses,
    },
  ];
}
