import { expect, test } from 'vitest';
import { decisions } from '../../ingestion/contracts/decisions.ts';
import type { Lake } from '../../lakehouse/lake.ts';
import { openTempLake } from '../support/tempLake.ts';
import { landRecords } from './bronzeRows.ts';
import { landNothing, runAll } from './payments.ts';
import { modelReport, rowsOf } from './support.ts';

let offset = 0;

/** Decisions as a scorer publishes them, each at the next offset of the topic. */
async function publish(lake: Lake, ...given: readonly Record<string, unknown>[]): Promise<void> {
  const records = given.map((value) => {
    offset += 1;
    const second = String(offset).padStart(2, '0');
    return {
      offset,
      partition: 3,
      arrivedAt: `2026-03-01T10:00:${second}Z`,
      value: {
        key: 'ann',
        decided_at: '2026-03-01T10:00:00Z',
        decision: 'approve',
        risk_tier: 'low',
        ...value,
      },
    };
  });
  await landRecords(lake, decisions, records);
}

test('silver.decisions: the place of the record, and the day of its event', async () => {
  await using lake = await openTempLake();
  await landNothing(lake);
  await publish(
    lake,
    {
      decision_id: 'tx.fintech:AbC-_9:3:41',
      event_id: 'T41',
      event_time: '2026-02-28T23:59:59Z',
      decision: 'review',
      risk_tier: 'high',
      reasons: ['a = 1 (+0.5)'],
      class: 'fraud_x',
      p_fraud: 0.5,
      model_version: 'm1',
      feature_list: '00ff',
      vector: 'AACAPw==',
      statuses: 'PP',
    },
    { decision_id: 'tx.fintech:AbC-_9:3:42', key: '', decision: 'review', reason_code: 'BAD_RECORD' },
  );
  await runAll(lake);
  expect(await rowsOf(lake, 'silver.decisions', { columns: '* exclude (_offset, _arrived_at)' })).toEqual([
    {
      decision_id: 'tx.fintech:AbC-_9:3:41',
      source_topic: 'tx.fintech',
      source_topic_id: 'AbC-_9',
      source_partition: 3,
      source_offset: '41',
      key: 'ann',
      event_id: 'T41',
      event_time: '2026-02-28 23:59:59+00',
      event_date: '2026-02-28',
      decided_at: '2026-03-01 10:00:00+00',
      decision: 'review',
      risk_tier: 'high',
      reason_code: null,
      reasons: ['a = 1 (+0.5)'],
      class: 'fraud_x',
      p_fraud: 0.5,
      model_version: 'm1',
      feature_list: '00ff',
      vector: 'AACAPw==',
      statuses: 'PP',
      gold_age_s: null,
      shadow: null,
      _topic: 'decisions',
      _topic_id: 'topic-1',
      _partition: 3,
      _quarantine: null,
    },
    expect.objectContaining({
      decision_id: 'tx.fintech:AbC-_9:3:42',
      event_date: '2026-03-01',
      reason_code: 'BAD_RECORD',
    }),
  ]);
});

test('silver.decisions: the first decision about a record counts, within a run and across runs', async () => {
  await using lake = await openTempLake();
  await landNothing(lake);
  const said = (id: number, decision: string) => ({ decision_id: `t:i:3:${id}`, decision });
  await publish(lake, said(1, 'approve'), said(2, 'review'), said(1, 'decline'));
  await runAll(lake);
  await publish(lake, said(2, 'approve'), said(3, 'decline'));
  await runAll(lake);
  expect(await rowsOf(lake, 'silver.decisions', { columns: 'source_offset, decision' })).toEqual([
    { source_offset: '1', decision: 'approve' },
    { source_offset: '2', decision: 'review' },
    { source_offset: '3', decision: 'decline' },
  ]);
});

test('silver.decisions: an id that names no place, and a word that is no decision, are quarantined', async () => {
  await using lake = await openTempLake();
  await landNothing(lake);
  await publish(
    lake,
    { decision_id: 'somewhere' },
    { decision_id: 't:i:3:1', decision: 'perhaps' },
    { decision_id: 't:i:3:2' },
  );
  const report = modelReport(await runAll(lake), 'silver.decisions');
  expect(report).toMatchObject({ rows_written: 3, rows_quarantined: 2 });
});
