import type { ParityReport, SourceParity } from './featureParity.ts';
import type { FeatureCounts } from './vectorComparison.ts';

/** The report with stable snake_case keys, for scripts. Pure. */
export function parityJson(report: ParityReport): object {
  return {
    equal: report.isEqual,
    decisions: report.decisions,
    without_vector: report.withoutVector,
    sampled: report.sampled,
    sources: report.sources.map((source) => ({
      source: source.source,
      vectors: source.vectors,
      waiting: source.waiting,
      unexplained: source.unexplained,
      unreadable: source.unreadable,
      status_differs: source.statusDiffers,
      features: source.features,
    })),
    other_lists: report.otherLists.map(({ topic, list, vectors, changed }) => ({
      topic,
      list,
      vectors,
      changed: changed ?? null,
    })),
    examples: report.examples.map(({ decisionId, feature, logged, derived }) => ({
      decision_id: decisionId,
      feature,
      logged: numberText(logged),
      derived: numberText(derived),
    })),
  };
}

/** One row a feature, over all sources. Pure. */
export function parityRows({ sources }: ParityReport): { header: string[]; rows: (string | number)[][] } {
  const header = ['FEATURE', 'COMPARED', 'EQUAL', 'MISMATCH', 'MISSING', 'EXTRA', 'APART'];
  const byName = Map.groupBy(
    sources.flatMap(({ features }) => features),
    ({ name }) => name,
  );
  const rows = [...byName].map(([name, counts]) => {
    const sum = (of: Exclude<keyof FeatureCounts, 'name'>) => counts.reduce((n, one) => n + one[of], 0);
    return [name, sum('compared'), sum('equal'), sum('mismatch'), sum('missing'), sum('extra'), sum('apart')];
  });
  return { header, rows };
}

/** What else there is to say: what was not compared, and why; the first differences; the verdict. Pure. */
export function parityLines(report: ParityReport): string[] {
  if (report.decisions === 0) return ['nothing was decided yet'];
  const { decisions, sampled, withoutVector, sources, otherLists, examples, isEqual } = report;
  return [
    `${decisions} decisions, ${withoutVector} without a vector, ${sampled} sampled`,
    ...sources.flatMap(sourceLines),
    ...otherLists.map(
      ({ topic, list, vectors, changed }) =>
        `${topic}: ${vectors} vectors follow the feature list ${list}, not today's: not compared (${
          changed === undefined ? 'that list is not kept' : `changed since: ${changed.join(', ')}`
        })`,
    ),
    ...examples.map(
      ({ decisionId, feature, logged, derived }) =>
        `${decisionId}: ${feature} was logged as ${numberText(logged)}, bronze gives ${numberText(derived)}`,
    ),
    isEqual ? 'no difference' : 'there are differences',
  ];
}

// === Helpers ===

function sourceLines(parity: SourceParity): string[] {
  const { source, vectors, waiting, unexplained, unreadable, statusDiffers } = parity;
  return [
    `${source}: ${vectors} vectors, ${waiting} of records that have not landed`,
    ...(unexplained > 0 ? [`${source}: ${unexplained} vectors of what is no good record in bronze`] : []),
    ...(unreadable > 0 ? [`${source}: ${unreadable} vectors that do not fit their list`] : []),
    ...(statusDiffers > 0 ? [`${source}: ${statusDiffers} records were late on one side only`] : []),
  ];
}

/** JSON knows no NaN. */
function numberText(value: number): number | string {
  return Number.isFinite(value) ? value : 'missing';
}
