import { cpus } from 'node:os';
import { loadConfig } from '../../infra/core/config.ts';
import { entityPrecisionAt } from '../../scoring/training/alertBudget.ts';
import { pairedGain } from '../../scoring/training/bootstrap.ts';
import { trainCandidate } from '../../scoring/training/candidate.ts';
import { predictLogistic, trainLogistic } from '../../scoring/training/logistic.ts';
import { positivesOf } from '../../scoring/training/rowSet.ts';
import { findRules, scoreByRules } from '../../scoring/training/rules.ts';
import { DEFAULT_TREES } from '../../scoring/training/treeTraining.ts';
import { reportRanking } from '../../scoring/training/validationReport.ts';
import { loadXgboost } from '../../scoring/training/xgboostLibrary.ts';
import { bookTrees, type HandbookRows, readHandbook, rowsOfDays } from '../scoring/training/handbook.ts';

/**
 * The trainer's parts against the Fraud Detection Handbook: same rows, same features, same split; then the
 * whole trainer on the same data with its gates. Beside each figure stands its reference (where from:
 * test/scoring/training/handbook.live.test.ts, which asserts them).
 */
const xgboost = loadXgboost(loadConfig(process.env).toolsDir);
console.log(`machine: ${cpus().length} × ${cpus()[0]?.model}, Node ${process.version}`);
console.log('command: node test/bench/handbook.ts');
const all = await timed('reading, 15 features by SQL', () => readHandbook(101, 135));
await printFigures();
await printCandidate();

async function printFigures(): Promise<void> {
  const train = rowsOfDays(all, 115, 121);
  const test = rowsOfDays(all, 129, 135, 115);
  for (const set of [train, test]) {
    console.log(
      `${set.name}: ${set.classes.length} rows, ${positivesOf(set).reduce((a, b) => a + b, 0)} frauds`,
    );
  }
  const scores = {
    default: await timed('XGBoost default', async () =>
      bookTrees(xgboost, train, test, { maxDepth: 6, learningRate: 0.3 }),
    ),
    tuned: await timed('XGBoost tuned', async () =>
      bookTrees(xgboost, train, test, { maxDepth: 3, learningRate: 0.1 }),
    ),
    logistic: await timed('logistic', async () => predictLogistic(trainLogistic(train), test)),
    rules: await timed('rules', async () => scoreByRules(findRules(train), test)),
    oracle: Float64Array.from(positivesOf(test)),
  };
  console.log('scoring              AUC    AP     CP@100  recall at .1/1/5 % FPR   reference AUC/AP/CP@100');
  print('XGBoost default', test, scores.default, '.8618/.6389/.2729');
  print('XGBoost tuned', test, scores.tuned, '.8725/.6827/.2957');
  print('logistic', test, scores.logistic, '.8705/.6057/.2914');
  print('best-threshold rules', test, scores.rules, 'none');
  print('oracle', test, scores.oracle, '1/1/.397');
  const gain = pairedGain({
    champion: scores.default,
    challenger: scores.tuned,
    positives: positivesOf(test),
    entities: test.entities,
    resamples: 300,
    seed: 1,
  });
  console.log(`tuned over default, paired by customer: ${interval(gain)} (reference +.043 [+.025, +.061])`);
}

/** Labels a week late: what is learnt was known when validation begins. */
async function printCandidate(): Promise<void> {
  const slices = {
    training: rowsOfDays(all, 108, 114),
    calibration: rowsOfDays(all, 115, 121),
    validation: rowsOfDays(all, 129, 135, 115),
  };
  const candidate = await timed('whole trainer, 4 classes, 30 rounds', () =>
    trainCandidate(xgboost, slices, {
      trees: DEFAULT_TREES,
      budgets: [{ name: 'review', alertsPerDay: 100 }],
      floors: {
        recallAt1PercentFpr: 0.6,
        perClass: { 'scenario 2': 0.5, 'scenario 3': 0.5 },
        minSupport: 30,
      },
      cutoffMs: Date.UTC(2018, 3, 1 + 129) - 1,
      lineage: { data: 'handbook' },
      resamples: 300,
    }),
  );
  const { validation, thresholds, parity, onnx } = candidate;
  console.log(`AP ${figure(validation.model.averagePrecision)}, prevalence ${figure(validation.prevalence)}`);
  console.log(
    `ONNX ${Math.round(onnx.length / 1024)} KiB; parity over ${parity.rows} rows: ${parity.maxDifference}`,
  );
  console.log(
    `Brier ${validation.brier.score.toFixed(5)} → ${validation.brier.calibrated.toFixed(5)} calibrated`,
  );
  console.log(`ECE of the top 1 %: ${figure(validation.topCalibrationError)}`);
  for (const { name, threshold, onValidation } of thresholds) {
    const perClass = onValidation.perClass
      .map((c) => `${c.name} ${figure(c.recall)} of ${c.support}`)
      .join(', ');
    console.log(`${name}: p ≥ ${figure(threshold)}, ${onValidation.alerts} alerts, ${perClass}`);
  }
  for (const gate of candidate.gates) {
    console.log(`${gate.passed ? 'passed' : 'FAILED'}  ${gate.name}`);
    for (const check of gate.checks) console.log(`  ${check.passed ? '+' : '-'} ${check.reason}`);
  }
}

function print(name: string, set: HandbookRows, scores: Float64Array, reference: string): void {
  const { rocAuc, averagePrecision, recallAtFpr } = reportRanking(scores, positivesOf(set));
  const cells = [rocAuc, averagePrecision, entityPrecisionAt(100, set, scores, set.days)]
    .map(figure)
    .join('  ');
  const recalls = Object.values(recallAtFpr).map(figure).join('/');
  console.log(`${name.padEnd(20)} ${cells}  ${recalls.padEnd(22)}  ${reference}`);
}

function interval({ gain, lower, upper }: { gain: number; lower: number; upper: number }): string {
  return `${figure(gain)} [${figure(lower)}, ${figure(upper)}]`;
}

function figure(value: number): string {
  return value.toFixed(4);
}

async function timed<T>(what: string, work: () => Promise<T>): Promise<T> {
  const [startedMs, cpu] = [performance.now(), process.cpuUsage()];
  const result = await work();
  const used = process.cpuUsage(cpu);
  const seconds = ((performance.now() - startedMs) / 1_000).toFixed(1);
  const memory = Math.round(process.memoryUsage.rss() / 2 ** 20);
  console.log(
    `${what}: ${seconds} s, ${((used.user + used.system) / 1e6).toFixed(1)} CPU-s, RSS ${memory} MiB`,
  );
  return result;
}
