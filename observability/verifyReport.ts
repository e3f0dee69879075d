import type { DecisionsReport } from './decisionCoverage.ts';
import type { IncarnationReport, VerifyReport } from './verify.ts';

/** The report with stable snake_case keys, for scripts. Pure. */
export function verifyJson(report: VerifyReport): object {
  return {
    run: report.run,
    clean: report.isClean,
    violation_count: report.violationCount,
    violations: report.violations,
    incarnations: report.incarnations.map((incarnation) => ({
      ...totalsOf(incarnation),
      partitions: partitionsOf(incarnation),
    })),
    unlanded: report.unlanded.map(({ topic, topicId, records }) => ({ topic, topic_id: topicId, records })),
    decisions: report.decisions === undefined ? null : decisionsJson(report.decisions),
    releases: { checked: report.releases.checked, newest: report.releases.newest ?? null },
    keyed_tables: report.keyedTables,
  };
}

/** One row an incarnation: what landed, what of it Kafka confirmed in this run, what waits. Pure. */
export function verifyRows(report: VerifyReport): { header: string[]; rows: string[][] } {
  const header = [
    'TABLE',
    'TOPIC',
    'INCARNATION',
    'LANDED',
    'BAD',
    'LOST',
    'OFFSETS',
    'COMPARED WITH KAFKA',
    'LAG',
  ];
  const rows = report.incarnations.map((incarnation) => {
    const totals = totalsOf(incarnation);
    return [
      totals.table,
      totals.topic,
      shortId(totals.topic_id),
      String(totals.landed),
      String(totals.bad),
      String(totals.lost),
      `${totals.offsets} in ${incarnation.partitions.length} partitions`,
      totals.compared === null ? 'not in Kafka' : `${totals.compared} records`,
      totals.lag === null ? '-' : String(totals.lag),
    ];
  });
  for (const { topic, topicId, records } of report.unlanded) {
    rows.push(['-', topic, shortId(topicId), '0', '0', '0', '-', '-', String(records)]);
  }
  return { header, rows };
}

/** One row an incarnation: the offsets that were to be decided, and what is. Pure. */
export function decisionRows({ partitions, unscored }: DecisionsReport): {
  header: string[];
  rows: string[][];
} {
  const header = ['SCORED TOPIC', 'INCARNATION', 'DECIDED', 'COMPARED', 'LAG BEHIND LANDING'];
  const scored = [...Map.groupBy(partitions, ({ topic, topicId }) => `${topic}@${topicId}`).values()];
  const rows = scored.map((own) => [
    own[0]?.topic ?? '',
    shortId(own[0]?.topicId ?? ''),
    `${sum(own.map((p) => p.position - p.start))} in ${own.length} partitions`,
    `${sum(own.map((p) => p.to - p.from))} offsets`,
    String(sum(own.map((p) => p.lag))),
  ]);
  for (const { topic, topicId } of unscored) rows.push([topic, shortId(topicId), 'not scored', '-', '-']);
  return { header, rows };
}

// === Helpers ===

function decisionsJson({ partitions, unscored }: DecisionsReport) {
  return {
    partitions: partitions.map(({ topic, topicId, partition, start, position, from, to, lag }) => ({
      topic,
      topic_id: topicId,
      partition,
      start,
      position,
      compared: { from, to },
      lag,
    })),
    not_scored: unscored.map(({ topic, topicId }) => ({ topic, topic_id: topicId })),
  };
}

function totalsOf({ table, topic, topicId, partitions, kafka }: IncarnationReport) {
  return {
    table,
    topic,
    topic_id: topicId,
    landed: sum(partitions.map((p) => p.fetched)),
    bad: sum(partitions.map((p) => p.bad)),
    /** Adopted as lost: Kafka removed them before they landed. */
    lost: sum(partitions.map((p) => p.lost)),
    offsets: sum(partitions.map((p) => p.next - p.first)),
    /** Records that Kafka gave and the table has; null when Kafka has not this incarnation. */
    compared: kafka === undefined ? null : sum(kafka.map((p) => p.records)),
    lag: kafka === undefined ? null : sum(kafka.map((p) => p.lag)),
  };
}

function partitionsOf({ partitions, kafka = [] }: IncarnationReport) {
  return partitions.map(({ partition, first, next, fetched, bad, lost }) => {
    const seen = kafka.find((k) => k.partition === partition);
    return {
      partition,
      landed: { from: first, to: next, records: fetched, bad, lost },
      kafka:
        seen === undefined
          ? null
          : {
              log_start: seen.logStart,
              log_end: seen.logEnd,
              compared: { from: seen.from, to: seen.to, records: seen.records },
              lag: seen.lag,
            },
    };
  });
}

function shortId(topicId: string): string {
  return topicId.length > 20 ? `${topicId.slice(0, 19)}…` : topicId;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, n) => total + n, 0);
}
