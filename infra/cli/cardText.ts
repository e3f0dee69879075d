import type { ModelCard } from '../../scoring/modelCard.ts';
import type { Gate } from '../../scoring/training/gates.ts';
import type { RankReport } from '../../scoring/training/validationReport.ts';
import { alignColumns } from '../core/text.ts';

/** A card for people: what it learnt from, how it ranks beside the baselines, what it finds, its gates. Pure. */
export function cardLines(card: ModelCard): string[] {
  const { data, thresholds } = card;
  const { training, calibration, validation } = data.slices;
  const decline = thresholds.decline === null ? 'never by itself' : `from ${share(thresholds.decline)} on`;
  return [
    `model       ${card.version}`,
    `data        release ${data.release} as of ${data.until}; extract ${data.extractHash.slice(0, 12)}`,
    `rows        ${counted(training)} to train from ${training.from}`,
    `            ${counted(calibration)} to calibrate from ${calibration.from}`,
    `            ${counted(validation)} to validate, ${validation.from} to ${validation.to}`,
    `features    ${card.features.length}; ${trainerText(card)}`,
    '',
    ...indented(rankingTable(card)),
    '',
    `thresholds  review from ${share(thresholds.review)} on, decline ${decline} (calibrated probability)`,
    `calibration Brier ${card.validation.brier.calibrated.toFixed(4)}; the 1 % with the highest probability is off by ${share(card.validation.topCalibrationError)}`,
    ...card.budgets.flatMap(budgetLines),
    '',
    ...card.gates.flatMap(gateLines),
  ];
}

/** A gate and its reasons. Pure. */
export function gateLines({ name, passed, checks }: Gate): string[] {
  return [
    `${name}: ${passed ? 'passed' : 'NOT PASSED'}`,
    ...checks.map((check) => `  ${check.passed ? '+' : '!'} ${check.reason}`),
  ];
}

/** Two cards beside each other; each was measured on its own validation rows. Pure. */
export function comparisonLines(a: ModelCard, b: ModelCard): string[] {
  const rows: [string, (card: ModelCard) => string][] = [
    ['as of', ({ data }) => data.until],
    ['release', ({ data }) => String(data.release)],
    ['rows to train', ({ data }) => String(data.slices.training.rows)],
    ['prevalence', ({ validation }) => share(validation.prevalence)],
    ['AP', ({ validation }) => share(validation.model.averagePrecision)],
    ['AP, logistic', ({ validation }) => share(validation.baselines.logistic.averagePrecision)],
    ['ROC-AUC', ({ validation }) => share(validation.model.rocAuc)],
    ['recall at 1 %', ({ validation }) => share(validation.model.recallAtFpr['0.01'])],
    ['review from', ({ thresholds }) => share(thresholds.review)],
    ['alert rate', ({ budgets }) => share(budgets[0]?.onValidation.alertRate ?? Number.NaN)],
    ['precision', ({ budgets }) => share(budgets[0]?.onValidation.precision ?? Number.NaN)],
    ['recall', ({ budgets }) => share(budgets[0]?.onValidation.recall ?? Number.NaN)],
    ['features', ({ features }) => String(features.length)],
    ['gates', gatesWord],
  ];
  return [
    alignColumns(
      ['', a.version, b.version],
      rows.map(([name, cell]) => [name, cell(a), cell(b)]),
    ),
    '',
    ...featureDifferences(a, b),
    'Each was measured on the validation rows of its own T; G4 at a training compares on the same rows.',
  ];
}

/** `passed`, or the names of the gates that did not. Pure. */
export function gatesWord({ gates }: Pick<ModelCard, 'gates'>): string {
  const failed = gates.filter(({ passed }) => !passed).map(({ name }) => name.slice(0, 2));
  return failed.length === 0 ? 'passed' : `${failed.join(' ')} not passed`;
}

// === Helpers ===

function rankingTable({ validation }: ModelCard): string {
  const row = (name: string, { averagePrecision, rocAuc, recallAtFpr }: RankReport) => [
    name,
    share(averagePrecision),
    share(recallAtFpr['0.001']),
    share(recallAtFpr['0.01']),
    share(recallAtFpr['0.05']),
    share(rocAuc),
  ];
  return alignColumns(
    ['', 'AP', 'recall at .1 %', '1 %', '5 % false positives', 'ROC-AUC'],
    [
      row('model', validation.model),
      row('logistic regression', validation.baselines.logistic),
      row('rules', validation.baselines.rules),
      ['chance (prevalence)', share(validation.prevalence), '0.001', '0.010', '0.050', '0.500'],
    ],
  );
}

function budgetLines({ name, onValidation }: ModelCard['budgets'][number]): string[] {
  const { alerts, alertRate, precision, recall, perClass } = onValidation;
  const rows = perClass.map(({ name: of, support, recall: found }) => [of, support, share(found)]);
  return [
    `${name.padEnd(11)} ${alerts} on validation (${percent(alertRate)} of events), precision ${share(precision)}, recall ${share(recall)}`,
    ...indented(alignColumns(['', 'events', 'found'], rows)),
  ];
}

function featureDifferences(a: ModelCard, b: ModelCard): string[] {
  const hashesOf = ({ features }: ModelCard) =>
    new Map(features.map(({ name, hashes }) => [name, JSON.stringify(Object.entries(hashes).toSorted())]));
  const [inA, inB] = [hashesOf(a), hashesOf(b)];
  const line = (what: string, names: readonly string[]) =>
    names.length === 0 ? [] : [`${what}: ${names.join(', ')}`];
  return [
    ...line(
      `only in ${a.version}`,
      [...inA.keys()].filter((name) => !inB.has(name)),
    ),
    ...line(
      `only in ${b.version}`,
      [...inB.keys()].filter((name) => !inA.has(name)),
    ),
    ...line(
      'with another definition',
      [...inA].filter(([name, hash]) => inB.has(name) && inB.get(name) !== hash).map(([name]) => name),
    ),
  ];
}

function trainerText({ trainer }: ModelCard): string {
  const { library, version, rounds, maxDepth, learningRate } = trainer;
  return `${library} ${version}, ${rounds} rounds of depth ${maxDepth}, learning rate ${learningRate}`;
}

function counted({ rows, positives }: { readonly rows: number; readonly positives: number }): string {
  return `${rows} rows (${positives} positive)`;
}

function indented(text: string): string[] {
  return text.split('\n').map((line) => `  ${line}`);
}

function share(value: number): string {
  return Number.isFinite(value) ? value.toFixed(3) : '-';
}

function percent(value: number): string {
  return `${(value * 100).toFixed(1)} %`;
}
