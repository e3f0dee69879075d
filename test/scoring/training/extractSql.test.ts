import { afterAll, beforeAll, expect, test } from 'vitest';
import { paymentContent } from '../../../infra/content.ts';
import { type Duckdb, openDuckdb, type SqlSession } from '../../../infra/core/duckdb.ts';
import { paymentScoring } from '../../../scoring/policy/payments.ts';
import { classedSql, labelsSql } from '../../../scoring/training/extractSql.ts';
import { loadProject } from '../../../transforms/project.ts';
import { renderSql } from '../../../transforms/sqlTemplate.ts';

/** The SQL of the extract over rows that are written down here; times in ms since 1970. */

const { labels } = paymentScoring.training;
const T = 1_000;
let duckdb: Duckdb;
let session: SqlSession;
let view = '';

beforeAll(async () => {
  duckdb = await openDuckdb({ memoryBytes: 2 ** 28, threads: 1 });
  session = await duckdb.connect();
  const project = await loadProject(paymentContent.transformsDir);
  const relation = ({ name }: { name: string }) =>
    name
      .split('.')
      .map((part) => `"${part}"`)
      .join('.');
  view = renderSql(project.byName.get(labels.view)!.sql, { relation });
});

afterAll(async () => {
  await session[Symbol.asyncDispose]();
  await duckdb[Symbol.asyncDispose]();
});

type Label = readonly [id: string, revision: number, label: string, source: string, knownMs: number];

/** Of one event; the class of fraud is named after the label's id. */
async function classAsOf(knownByMs: number, ...said: readonly Label[]) {
  const values = said.map(
    ([id, revision, label, source, knownMs]) =>
      `('${id}', ${revision}, 'E1', '${label}', ${label === 'fraud' ? `'fraud_${id}'` : 'null'}, '${source}', make_timestamptz(${knownMs} * 1000))`,
  );
  const rows = `(select * from (values ${values.join(', ')})
    as l(label_id, revision, event_id, label, fraud_type, source, known_at))`;
  const [row] = await session.rows(labelsSql(labels, { rows, view, knownByMs }));
  return row === undefined ? undefined : [row['class'], Number(row['known_ms'])];
}

test.each<[string, readonly Label[], readonly unknown[] | undefined]>([
  ['what is known at T counts', [['a', 1, 'fraud', 'chargeback', T]], ['fraud_a', T]],
  ['what is known a millisecond later does not', [['a', 1, 'fraud', 'chargeback', T + 1]], undefined],
  [
    'a verdict of fraud beats a later chargeback',
    [
      ['a', 1, 'fraud', 'verdict', 1],
      ['b', 1, 'fraud', 'chargeback', 2],
    ],
    ['fraud_a', 1],
  ],
  [
    'a chargeback beats a later verdict of legitimate',
    [
      ['a', 1, 'fraud', 'chargeback', 1],
      ['b', 1, 'legitimate', 'verdict', 2],
    ],
    ['fraud_a', 1],
  ],
  [
    'of two chargebacks the one known later',
    [
      ['a', 1, 'fraud', 'chargeback', 1],
      ['b', 1, 'fraud', 'chargeback', 2],
    ],
    ['fraud_b', 2],
  ],
  [
    'a correction that is known by T replaces what it corrects',
    [
      ['a', 1, 'fraud', 'chargeback', 1],
      ['a', 2, 'legitimate', 'chargeback', T],
    ],
    ['regular', T],
  ],
  [
    'a correction after T does not',
    [
      ['a', 1, 'fraud', 'chargeback', 1],
      ['a', 2, 'legitimate', 'chargeback', T + 1],
    ],
    ['fraud_a', 1],
  ],
  ['unsure names no class', [['a', 1, 'unsure', 'verdict', 1]], [null, 1]],
])('%s', async (_, said, expected) => {
  expect(await classAsOf(T, ...said)).toEqual(expected);
});

/** Periods in which training ends at 100 and validation begins at 200. */
const PERIODS = {
  training: { fromMs: 0, toMs: 100 },
  calibration: { fromMs: 100, toMs: 200 },
  validation: { fromMs: 200, toMs: 300 },
  cutoffMs: 199,
};

async function classed(rows: string, early: string, late: string, cutoffMs = PERIODS.cutoffMs) {
  const vectors = [
    `(select * from (values ${rows}) as v(event, event_time_ms, arrived_ms, _topic, _topic_id, _partition, _offset))`,
  ];
  const asLabels = (values: string) => `select * from (values ${values}) as l(event, class, known_ms)`;
  const sql = classedSql(
    { vectors, atCutoff: asLabels(early), atEnd: asLabels(late) },
    { ...PERIODS, cutoffMs },
    {
      regular: 'regular',
      maturityMs: 50,
    },
  );
  const found = await session.rows(
    `select event, _offset, class, known_ms from (${sql}) order by event_time_ms`,
  );
  return found.map((row) => [row['event'], Number(row['_offset']), row['class'], Number(row['known_ms'])]);
}

test('labels of the training slice are those of the cutoff, later ones those of T; no label is regular', async () => {
  const rows = `('a', 10, 11, 't', 'i', 0, 1), ('b', 90, 91, 't', 'i', 0, 2), ('c', 150, 151, 't', 'i', 0, 3),
    ('d', 250, 251, 't', 'i', 0, 4), ('e', 99, 99, 't', 'i', 0, 5)`;
  const early = `('a', 'fraud', 180), ('e', null, 190)`;
  const late = `('a', 'regular', 290), ('b', 'fraud', 290), ('c', 'fraud', 290), ('d', 'fraud', 300)`;
  expect(await classed(rows, early, late)).toEqual([
    ['a', 1, 'fraud', 180],
    // Its fraud was reported after the cutoff: by then it was taken for regular.
    ['b', 2, 'regular', 140],
    ['e', 5, null, 190],
    ['c', 3, 'fraud', 290],
    ['d', 4, 'fraud', 300],
  ]);
});

test('what is regular is known when it is mature, in the training slice at the cutoff at the latest', async () => {
  const rows = `('a', 10, 11, 't', 'i', 0, 1), ('b', 99, 99, 't', 'i', 0, 2), ('c', 160, 161, 't', 'i', 0, 3)`;
  const none = `('x', 'fraud', 1)`;
  const known = (await classed(rows, none, none, 120)).map(([, , , knownMs]) => knownMs);
  expect(known).toEqual([60, 120, 210]);
});

test('an event that is there twice counts once, as in the record that came first', async () => {
  const rows = `('a', 10, 30, 't', 'i', 0, 1), ('a', 10, 20, 't', 'i', 1, 7), ('a', 10, 20, 't', 'i', 0, 9)`;
  const none = `('x', 'fraud', 1)`;
  expect(await classed(rows, none, none)).toEqual([['a', 9, 'regular', 60]]);
});
