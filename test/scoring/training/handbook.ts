import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { openDuckdb, sqlText } from '../../../infra/core/duckdb.ts';
import { positivesOf, type RowSet } from '../../../scoring/training/rowSet.ts';
import type { Xgboost } from '../../../scoring/training/xgboostLibrary.ts';
import { projectRoot } from '../../support/sourceFiles.ts';

/**
 * The transactions of the Fraud Detection Handbook with the book's 15 features, read in place. Rows of days
 * `fromDay` to `toDay` (day 0 is 2018-04-01), in order of time.
 */
export interface HandbookRows extends RowSet {
  readonly days: readonly number[];
}

/** The book's labels are known after a week. */
const DELAY_DAYS = 7;

const PATH = join(projectRoot, '..', 'shared', 'data', 'handbook_transactions.parquet');
const START_MS = Date.UTC(2018, 3, 1);
const CLASS_NAMES = ['regular', 'scenario 1', 'scenario 2', 'scenario 3'];

export function handbookIsThere(): boolean {
  return existsSync(PATH);
}

export async function readHandbook(fromDay: number, toDay: number): Promise<HandbookRows> {
  await using duckdb = await openDuckdb({ memoryBytes: 1024 * 2 ** 20, threads: 2 });
  await using session = await duckdb.connect();
  const { columns, chunks } = await session.stream(featuresSql(fromDay, toDay));
  const featureNames = columns.slice(4).map(({ name }) => name);
  const [values, classes, seconds, days, entities]: [number[], number[], number[], number[], string[]] = [
    [],
    [],
    [],
    [],
    [],
  ];
  for await (const chunk of chunks) {
    for (const [second, day, customer, scenario, ...features] of chunk) {
      seconds.push(Number(second));
      days.push(Number(day));
      entities.push(String(customer));
      classes.push(Number(scenario));
      for (const feature of features) values.push(Number(feature));
    }
  }
  const eventTimesMs = Float64Array.from(seconds, (second) => START_MS + second * 1_000);
  return {
    name: `days ${fromDay}-${toDay}`,
    featureNames,
    values: Float32Array.from(values),
    classNames: CLASS_NAMES,
    classes: Uint8Array.from(classes),
    eventTimesMs,
    knownAtMs: eventTimesMs.map((ms) => ms + DELAY_DAYS * 86_400_000),
    entities,
    days,
  };
}

/** The rows of some days; with `knownFrom` less customers known as compromised (a fraud on days knownFrom..D-8). */
export function rowsOfDays(
  all: HandbookRows,
  fromDay: number,
  toDay: number,
  knownFrom?: number,
): HandbookRows {
  const fraudDays = new Map<string, number>();
  all.days.forEach((day, row) => {
    const entity = all.entities[row]!;
    if (knownFrom === undefined || all.classes[row] === 0 || day < knownFrom) return;
    fraudDays.set(entity, Math.min(day, fraudDays.get(entity) ?? day));
  });
  const keep = all.days.flatMap((day, row) => {
    const known = (fraudDays.get(all.entities[row]!) ?? Number.POSITIVE_INFINITY) <= day - DELAY_DAYS - 1;
    return day < fromDay || day > toDay || known ? [] : [row];
  });
  const width = all.featureNames.length;
  return {
    ...all,
    name: `days ${fromDay}-${toDay}`,
    values: Float32Array.from({ length: keep.length * width }, (_, i) => {
      return all.values[keep[Math.floor(i / width)]! * width + (i % width)]!;
    }),
    classes: Uint8Array.from(keep, (row) => all.classes[row]!),
    eventTimesMs: Float64Array.from(keep, (row) => all.eventTimesMs[row]!),
    knownAtMs: Float64Array.from(keep, (row) => all.knownAtMs[row]!),
    entities: keep.map((row) => all.entities[row]!),
    days: keep.map((row) => all.days[row]!),
  };
}

/** The book's XGBoost, fraud against regular: 100 rounds of exact trees, judged on `later`. */
export function bookTrees(
  xgboost: Xgboost,
  train: RowSet,
  later: RowSet,
  options: { readonly maxDepth: number; readonly learningRate: number },
): Float64Array {
  const featureCount = train.featureNames.length;
  const model = xgboost.train({
    rows: { values: train.values, featureCount },
    labels: Float32Array.from(positivesOf(train)),
    rounds: 100,
    parameters: {
      objective: 'binary:logistic',
      tree_method: 'exact',
      base_score: 0.5,
      max_depth: options.maxDepth,
      eta: options.learningRate,
      nthread: 1,
    },
  });
  return Float64Array.from(xgboost.predict(model, { values: later.values, featureCount }));
}

// === Helpers ===

/** The book's windows: customers including the current row, terminals a week back. */
function featuresSql(fromDay: number, toDay: number): string {
  const day = 86_400;
  const windows = [1, 7, 30];
  const columns = windows.flatMap((w) => [
    `count(*) over customer_${w} as customer_count_${w}d`,
    `avg(TX_AMOUNT) over customer_${w} as customer_mean_${w}d`,
    `count(*) over terminal_${w} as terminal_count_${w}d`,
    `coalesce(avg(TX_FRAUD) over terminal_${w}, 0) as terminal_risk_${w}d`,
  ]);
  const frames = windows.flatMap((w) => [
    `customer_${w} as (partition by CUSTOMER_ID order by TX_TIME_SECONDS
       range between ${w * day - 1} preceding and current row)`,
    `terminal_${w} as (partition by TERMINAL_ID order by TX_TIME_SECONDS
       range between ${(w + DELAY_DAYS) * day - 1} preceding and ${DELAY_DAYS * day} preceding)`,
  ]);
  return `
    select * from (
      select TX_TIME_SECONDS, TX_TIME_DAYS, CUSTOMER_ID, TX_FRAUD_SCENARIO, TX_AMOUNT as amount,
        (isodow(TX_DATETIME) >= 6)::int as weekend, (hour(TX_DATETIME) <= 6)::int as night, ${columns.join(', ')}
      from (select * from read_parquet(${sqlText(PATH)})
            where TX_TIME_DAYS between ${fromDay - 30 - DELAY_DAYS - 1} and ${toDay})
      window ${frames.join(', ')}
      order by TRANSACTION_ID)
    where TX_TIME_DAYS >= ${fromDay}`;
}
