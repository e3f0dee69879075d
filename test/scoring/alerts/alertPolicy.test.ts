import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { groupDecisions, groupName } from '../../../scoring/alerts/alertGroups.ts';
import {
  isAlerting,
  severityOf,
  storableText,
  subjectOf,
  type Weight,
  windowStartMs,
} from '../../../scoring/alerts/alertPolicy.ts';
import type { AlertReport } from '../../../scoring/alerts/alertReports.ts';
import { alertName, parseAlertName } from '../../../scoring/alerts/alertStore.ts';
import { alertLines, alertsTable } from '../../../scoring/alerts/alertTexts.ts';
import { type Decision, placeOf, REASON_CODES } from '../../../scoring/decision.ts';

const BASE: Decision = {
  decision_id: 't:id:0:1',
  key: 'k',
  decided_at: '2026-01-01T00:00:00Z',
  decision: 'review',
  risk_tier: 'medium',
};

describe('what an alert is about', () => {
  test('what a model decided or the record brought about is about its key, else about the reason', () => {
    expect(subjectOf(BASE)).toEqual({ groupedBy: 'key', subject: 'k' });
    const byKey = REASON_CODES.filter(
      (reason) => subjectOf({ ...BASE, reason_code: reason }).subject === 'k',
    );
    expect(byKey).toEqual(['BAD_RECORD', 'TOO_LATE']);
    for (const reason of REASON_CODES) {
      if (byKey.includes(reason)) continue;
      expect(subjectOf({ ...BASE, reason_code: reason })).toEqual({ groupedBy: 'reason', subject: reason });
    }
  });

  test('a bad record without a key is about its reason', () => {
    const subject = subjectOf({ ...BASE, key: '', reason_code: 'BAD_RECORD' });
    expect(subject).toEqual({ groupedBy: 'reason', subject: 'BAD_RECORD' });
  });

  test('only what was approved needs nobody', () => {
    const outcomes = ['approve', 'review', 'decline'] as const;
    expect(outcomes.map((decision) => isAlerting({ ...BASE, decision }))).toEqual([false, true, true]);
  });

  test('long keys are cut and still told apart', () => {
    const subjects = ['a', 'b'].map(
      (end) => subjectOf({ ...BASE, key: `${'x'.repeat(9_000)}${end}` }).subject,
    );
    expect(new Set(subjects).size).toBe(2);
    expect(subjects.map((subject) => subject.length)).toEqual([256, 256]);
    expect(subjectOf({ ...BASE, key: 'x'.repeat(256) }).subject).toBe('x'.repeat(256));
  });

  test('windows lie side by side: their first millisecond is theirs, their last one too', () => {
    expect([3_599_999, 3_600_000, 7_199_999].map((ms) => windowStartMs(ms, 3_600_000))).toEqual([
      0, 3_600_000, 3_600_000,
    ]);
  });

  test('a cut text is well formed and free of NUL', () => {
    expect(storableText('a\u0000b', 9)).toBe('a\ufffdb');
    expect(storableText('abc', 3)).toBe('abc');
    expect(storableText('😀😀', 4).isWellFormed()).toBe(true);
    expect(storableText('😀😀😀', 4).isWellFormed()).toBe(true);
    expect(storableText('😀😀😀', 4)).toHaveLength(4);
  });
});

describe('severity', () => {
  const weight = (rest: Partial<Weight>): Weight => ({
    groupedBy: 'key',
    worstTier: 0,
    maxPFraud: null,
    decisions: 1,
    declines: 0,
    ...rest,
  });

  test.each([
    [{}, 'low'],
    [{ worstTier: 1 }, 'low'],
    [{ worstTier: 2 }, 'medium'],
    [{ worstTier: 2, maxPFraud: 0.4999 }, 'medium'],
    [{ worstTier: 2, maxPFraud: 0.5 }, 'high'],
    [{ worstTier: 2, decisions: 4 }, 'medium'],
    [{ worstTier: 2, decisions: 5 }, 'high'],
    [{ worstTier: 2, maxPFraud: 0.5, decisions: 5 }, 'critical'],
    [{ worstTier: 3 }, 'high'],
    [{ worstTier: 3, maxPFraud: 0.9, decisions: 9 }, 'critical'],
    [{ declines: 1 }, 'critical'],
    [{ groupedBy: 'reason', worstTier: 3, decisions: 9 }, 'low'],
    [{ groupedBy: 'reason', decisions: 10 }, 'medium'],
    [{ groupedBy: 'reason', decisions: 100 }, 'high'],
    [{ groupedBy: 'reason', decisions: 1_000 }, 'critical'],
  ] as const)('%j is %s', (rest, expected) => {
    expect(severityOf(weight(rest))).toBe(expected);
  });

  test('never falls while an alert grows', () => {
    const rank = (w: Weight) => ['low', 'medium', 'high', 'critical'].indexOf(severityOf(w));
    const some = fc.record({
      groupedBy: fc.constantFrom('key' as const, 'reason' as const),
      worstTier: fc.integer({ min: 0, max: 3 }),
      maxPFraud: fc.option(fc.double({ min: 0, max: 1, noNaN: true })),
      decisions: fc.integer({ min: 1, max: 2_000 }),
      declines: fc.integer({ min: 0, max: 20 }),
    });
    fc.assert(
      fc.property(some, some, (a, b) => {
        const both: Weight = {
          groupedBy: a.groupedBy,
          worstTier: Math.max(a.worstTier, b.worstTier),
          maxPFraud: Math.max(a.maxPFraud ?? 0, b.maxPFraud ?? 0),
          decisions: a.decisions + b.decisions,
          declines: a.declines + b.declines,
        };
        expect(rank(both)).toBeGreaterThanOrEqual(rank(a));
      }),
    );
  });
});

test('groups hold every decision that needs somebody, once, with its extremes', () => {
  const some = fc.record({
    key: fc.constantFrom('a', 'b', 'c'),
    hour: fc.integer({ min: 0, max: 3 }),
    decision: fc.constantFrom('approve' as const, 'review' as const, 'decline' as const),
    p: fc.option(fc.double({ min: 0, max: 1, noNaN: true }), { nil: undefined }),
    reason: fc.option(fc.constantFrom(...REASON_CODES), { nil: undefined }),
  });
  fc.assert(
    fc.property(fc.array(some, { maxLength: 60 }), (raw) => {
      const made = raw.map(({ key, decision, p, reason }, offset): Decision => {
        const base = { ...BASE, decision_id: `t:id:0:${offset}`, key, decision };
        return {
          ...base,
          ...(p === undefined ? {} : { p_fraud: p }),
          ...(reason === undefined ? {} : { reason_code: reason }),
        };
      });
      const seen = made.map((one, index) => ({
        place: placeOf(one.decision_id) ?? { topic: '', topicId: '', partition: 0, offset: 0 },
        alerting: isAlerting(one) ? one : undefined,
        decidedAtMs: (raw[index]?.hour ?? 0) * 3_600_000 + index,
      }));
      const groups = groupDecisions(seen, 3_600_000);
      const members = groups.flatMap((group) => group.members.map((one) => one.decision_id));
      expect(members.toSorted()).toEqual(
        made
          .filter(isAlerting)
          .map((one) => one.decision_id)
          .toSorted(),
      );
      expect(new Set(groups.map(groupName)).size).toBe(groups.length);
      for (const group of groups) {
        const chances = group.members.map((one) => one.p_fraud ?? -1);
        expect(group.maxPFraud ?? -1).toBe(Math.max(...chances));
        expect(group.opened.decisionId).toBe(group.members[0]?.decision_id);
        expect(group.last.decisionId).toBe(group.members.at(-1)?.decision_id);
      }
    }),
  );
});

test('names of alerts are read as people write them', () => {
  expect(alertName(123)).toBe('A-000123');
  expect(['A-000123', 'a-123', '123'].map(parseAlertName)).toEqual([123, 123, 123]);
  expect(['', 'A-', 'B-1', '1.5', '-1', '9'.repeat(16)].map(parseAlertName)).toEqual(
    Array(6).fill(undefined),
  );
});

describe('texts', () => {
  const nowMs = Date.parse('2026-01-01T03:00:00Z');
  const alert: AlertReport = {
    id: 'A-000001',
    topic: 't',
    grouped_by: 'key',
    subject: 'k\u001b[31m',
    state: 'open',
    severity: 'high',
    decisions: 101,
    declines: 1,
    max_p_fraud: 0.93,
    top_class: 'icing',
    opened_at: new Date('2026-01-01T00:00:00Z'),
    last_at: new Date('2026-01-01T02:59:00Z'),
    window_ends_at: new Date('2026-01-01T01:00:00Z'),
    first_decision: 't:id:0:1',
    last_decision: 't:id:0:101',
    verdict: 'unsure',
    closed_at: null,
    closed_by: null,
  };

  test('a table has ages, and nothing in it steers the terminal', () => {
    const [header = '', row = ''] = alertsTable([alert], nowMs).split('\n');
    expect(header.split(/ +/).slice(0, 5)).toEqual(['alert', 'severity', 'state', 'topic', 'about']);
    expect(row).toContain('3.0 h ago');
    expect(row).toContain('60 s ago');
    expect(row).toContain('k?[31m');
    expect(row).toContain('open (unsure)');
    expect(row).not.toContain('\u001b');
  });

  test('one alert says how many of its decisions it keeps', () => {
    const lines = alertLines({ alert, decisions: [], verdicts: [] }, nowMs).join('\n');
    expect(lines).toContain('101, 1 declined, the first 0 are kept; highest p 0.930, icing');
    expect(lines).toContain('joins until 2026-01-01T01:00:00.000Z');
  });
});
