import type { SqlRow } from '../infra/core/duckdb.ts';
import type { ExplainedFeature, Explanation } from './explainDecision.ts';

/** The explanation with stable snake_case keys, for scripts; missing values are null. Pure. */
export function explainJson({ decision, record, vector, model, modelProblem }: Explanation): object {
  const { id, place, row, times } = decision;
  return {
    decision: { ...ownColumns(row), decision_id: id, said: times },
    place: { topic: place.topic, topic_id: place.topicId, partition: place.partition, offset: place.offset },
    record: record === undefined ? null : presentColumns(record),
    vector:
      vector === undefined
        ? null
        : {
            list: vector.list,
            source: vector.source ?? null,
            problem: vector.problem ?? null,
            statuses: vector.statuses,
            features: vector.features?.map((feature) => ({
              ...feature,
              value: Number.isFinite(feature.value) ? feature.value : null,
            })),
          },
    model:
      model === undefined
        ? null
        : {
            version: model.card.version,
            until: model.card.data.until,
            average_precision: model.card.validation.model.averagePrecision,
            prevalence: model.card.validation.prevalence,
            thresholds: model.card.thresholds,
            classes: Object.fromEntries(
              model.probabilities.map(({ name, probability }) => [name, probability]),
            ),
            p_fraud: model.pFraud,
            agrees: agrees(row, model.pFraud),
            absent: model.absent,
          },
    model_problem: modelProblem ?? null,
  };
}

/** The explanation for people, up to the table of features. Pure. */
export function explainLines(explanation: Explanation): string[] {
  const { vector } = explanation;
  return [
    ...decisionLines(explanation),
    ...recordLines(explanation),
    ...modelLines(explanation),
    ...(vector === undefined
      ? ['vector      none: it was decided without one']
      : [
          `statuses    ${vector.statuses.map(({ about, status }) => `${about} ${status}`).join(', ')}${goldAge(explanation)}`,
          `features    list ${vector.list}${vector.source === undefined ? '' : ` of ${vector.source}`}`,
          ...(vector.problem === undefined ? [] : [`            ${vector.problem}`]),
        ]),
  ];
}

/** One row a feature: what moved the model most comes first, then the order of the vector. Pure. */
export function explainRows({ vector }: Explanation): { header: string[]; rows: (string | number)[][] } {
  const header = ['FEATURE', 'VALUE', 'KIND', 'STATUS', 'CONTRIBUTION'];
  const statusOf = new Map(vector?.statuses.map(({ about, status }) => [about, status]));
  const rows = (vector?.features ?? [])
    .toSorted((a, b) => weight(b) - weight(a))
    .map(({ name, value, kind, standsOn, contribution }) => [
      name,
      Number.isNaN(value) ? 'missing' : value,
      kind ?? '?',
      standsOn.map((about) => `${about} ${statusOf.get(about) ?? '?'}`).join(', '),
      contribution === undefined ? '' : signed(contribution),
    ]);
  return { header, rows };
}

// === Helpers ===

/** Of the last bits, which depend on how rows are batched. */
const TOLERANCE = 1e-6;

function decisionLines({ decision: { id, row, times }, model }: Explanation): string[] {
  const pFraud = row['p_fraud'];
  const { review, decline } = model?.card.thresholds ?? {};
  const thresholds =
    review === undefined
      ? ''
      : `, review from ${review} on, decline ${decline === null ? 'never by itself' : `from ${decline} on`}`;
  const repeated = times > 1 ? `; said ${times} times, the first one counts` : '';
  const reasons = Array.isArray(row['reasons']) ? row['reasons'] : [];
  return [
    `decision    ${row['decision']}, risk ${row['risk_tier']}${typeof pFraud === 'number' ? `, p_fraud ${pFraud}` : ''}${thresholds}`,
    `id          ${id}`,
    `decided     ${row['decided_at']}${repeated}`,
    ...(row['reason_code'] === null ? [] : [`because     ${row['reason_code']}: whatever a model says`]),
    ...reasons.map((reason, index) => `${index === 0 ? 'reasons     ' : '            '}${reason}`),
  ];
}

function recordLines({ decision: { row, place }, record }: Explanation): string[] {
  const { topic, partition, offset, topicId } = place;
  const where = `offset ${offset} of partition ${partition} of ${topic} (${topicId})`;
  const event = row['event_id'] === null ? 'record' : `event ${row['event_id']}`;
  const lines = [`record      ${event} of ${row['key'] === '' ? '(no key)' : row['key']}, ${where}`];
  if (record === undefined)
    return [...lines, '            it has not landed yet: its content is in Kafka only'];
  const at = row['event_time'] === null ? '' : `happened ${row['event_time']}, `;
  lines.push(`            ${at}arrived ${record['_arrived_at']}`);
  const { _error: error } = record;
  if (error !== null) lines.push(`            bad: ${JSON.stringify(error)}`);
  else lines.push(`            ${JSON.stringify(contentOf(record))}`);
  return lines;
}

function modelLines({ decision: { row }, model, modelProblem }: Explanation): string[] {
  const version = row['model_version'];
  if (version === null) return ['model       none was asked'];
  if (model === undefined) return [`model       ${version}; it cannot be asked again: ${modelProblem}`];
  const { data, validation } = model.card;
  const verdict = agrees(row, model.pFraud)
    ? 'as it was logged'
    : `but ${row['p_fraud']} was logged: THEY DIFFER`;
  const classes = model.probabilities
    .toSorted((a, b) => b.probability - a.probability)
    .map(({ name, probability }) => `${name} ${probability.toFixed(4)}`);
  return [
    `model       ${version}, trained as of ${data.until}; AP ${validation.model.averagePrecision.toFixed(3)} at a prevalence of ${validation.prevalence.toFixed(4)}`,
    `            asked again it gives ${model.pFraud}, ${verdict}`,
    `classes     ${classes.join(', ')}`,
    ...(model.absent.length === 0
      ? []
      : [`            it knows features that this vector has not: ${model.absent.join(', ')}`]),
  ];
}

function goldAge({ decision: { row } }: Explanation): string {
  return row['gold_age_s'] === null || row['gold_age_s'] === undefined
    ? ''
    : `; gold was ${row['gold_age_s']} s behind`;
}

function agrees(row: SqlRow, pFraud: number): boolean {
  return Math.abs(Number(row['p_fraud'] ?? Number.NaN) - pFraud) <= TOLERANCE;
}

function weight({ contribution }: ExplainedFeature): number {
  return Math.abs(contribution ?? 0);
}

function signed(value: number): string {
  return `${value < 0 ? '' : '+'}${value.toFixed(3)}`;
}

/** Columns of the decision itself, without the vector, which is told apart, and the place. */
function ownColumns(row: SqlRow): SqlRow {
  const { vector: _, statuses: __, arrival_date: ___, ...rest } = presentColumns(row);
  return Object.fromEntries(Object.entries(rest).filter(([name]) => !name.startsWith('_')));
}

function contentOf(record: SqlRow): SqlRow {
  const { arrival_date: _, ...rest } = presentColumns(record);
  return Object.fromEntries(Object.entries(rest).filter(([name]) => !name.startsWith('_')));
}

function presentColumns(row: SqlRow): SqlRow {
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null));
}
