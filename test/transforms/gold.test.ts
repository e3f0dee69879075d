import { expect, test } from 'vitest';
import { openTempLake } from '../support/tempLake.ts';
import { landLabels, landNothing, landOrders, landPurchases, landTransfers, runAll } from './payments.ts';
import { modelReport, rowsOf } from './support.ts';

test('gold.hourly_metrics: whole rows, checked by hand', async () => {
  await using lake = await openTempLake();
  await landNothing(lake);
  await landTransfers(
    lake,
    { id: 'T1', at: '2026-03-01T10:00:00Z', value: { amount: 10, device_id: 'phone' } },
    { id: 'T2', at: '2026-03-01T10:59:59.999Z', value: { amount: 20, account_to: 'eve', country_to: 'US' } },
    // An hour and a second late; another actor and device.
    {
      id: 'T3',
      at: '2026-03-01T10:30:00Z',
      arrivedAt: '2026-03-01T11:30:01Z',
      value: { amount: 60, account_from: 'cat', device_id: 'tablet' },
    },
    // Exactly an hour is not late; the next hour.
    { id: 'T4', at: '2026-03-01T11:00:00Z', arrivedAt: '2026-03-01T12:00:00Z', value: { amount: 5 } },
  );
  await landPurchases(lake, { id: 'G1', at: '2026-03-01T10:15:00Z' });
  await landLabels(
    lake,
    { id: 'T1', at: '2026-03-02T00:00:00Z' },
    {
      id: 'T2',
      at: '2026-03-02T00:00:00Z',
      value: { label: 'legitimate', source: 'verdict', fraud_type: null },
    },
    { id: 'T3', at: '2026-03-02T00:00:00Z', value: { label: 'unsure', source: 'verdict', fraud_type: null } },
  );
  await runAll(lake);
  expect(await rowsOf(lake, 'gold.hourly_metrics')).toEqual([
    {
      hour: '2026-03-01 10:00:00+00',
      domain: 'fintech',
      tx_count: '3',
      amount_base_minor: '9000',
      avg_amount_base_minor: 3000,
      p95_amount_base_minor: '6000',
      unique_actors: '2',
      unique_counterparties: '2',
      unique_devices: '2',
      cross_border_count: '1',
      late_count: '1',
      labelled_fraud_count: '1',
      fraud_rate: 1 / 3,
      label_coverage: 2 / 3,
      _quarantine: null,
    },
    {
      hour: '2026-03-01 10:00:00+00',
      domain: 'gaming',
      tx_count: '1',
      amount_base_minor: '500',
      avg_amount_base_minor: 500,
      p95_amount_base_minor: '500',
      unique_actors: '1',
      unique_counterparties: '1',
      unique_devices: '1',
      cross_border_count: '0',
      late_count: '0',
      labelled_fraud_count: '0',
      fraud_rate: 0,
      label_coverage: 0,
      _quarantine: null,
    },
    {
      hour: '2026-03-01 11:00:00+00',
      domain: 'fintech',
      tx_count: '1',
      amount_base_minor: '500',
      avg_amount_base_minor: 500,
      p95_amount_base_minor: '500',
      unique_actors: '1',
      unique_counterparties: '1',
      unique_devices: '1',
      cross_border_count: '0',
      late_count: '0',
      labelled_fraud_count: '0',
      fraud_rate: 0,
      label_coverage: 0,
      _quarantine: null,
    },
  ]);
});

test('a late label touches the hour and the actor of its event, and no others', async () => {
  await using lake = await openTempLake();
  await landNothing(lake);
  await landTransfers(
    lake,
    { id: 'T1', at: '2026-03-01T10:00:00Z' },
    { id: 'T2', at: '2026-03-08T10:00:00Z', value: { account_from: 'cat' } },
  );
  await runAll(lake);
  await landLabels(lake, { id: 'T1', at: '2026-03-20T00:00:00Z' });
  const report = await runAll(lake);
  expect(modelReport(report, 'silver.transactions').action).toBe('up to date');
  expect(modelReport(report, 'gold.hourly_metrics')).toMatchObject({
    action: 'incremental',
    rows_written: 1,
  });
  expect(modelReport(report, 'gold.actor_risk_profiles').rows_written).toBe(1);
  expect(await rowsOf(lake, 'gold.hourly_metrics', { columns: 'hour, labelled_fraud_count' })).toEqual([
    { hour: '2026-03-01 10:00:00+00', labelled_fraud_count: '1' },
    { hour: '2026-03-08 10:00:00+00', labelled_fraud_count: '0' },
  ]);
});

test('the label of an event: newest revisions, verdict of fraud, chargeback, verdict of legitimate, newest', async () => {
  const verdict = (label: string) => ({ source: 'verdict', label_id: `V-${label}`, label });
  const cases = [
    {
      said: 'the highest revision counts',
      by: [{ revision: 1 }, { revision: 2, label: 'legitimate' }],
      frauds: '0',
    },
    {
      said: 'also when it came first',
      by: [{ revision: 2, label: 'legitimate' }, { revision: 1 }],
      frauds: '0',
    },
    { said: 'a chargeback beats a verdict of legitimate', by: [{}, verdict('legitimate')], frauds: '1' },
    {
      said: 'a verdict of fraud beats a chargeback',
      by: [verdict('fraud'), { label: 'legitimate' }],
      frauds: '1',
    },
    {
      said: 'the newer of two',
      by: [{ label_id: 'A' }, { label_id: 'B', label: 'legitimate' }],
      frauds: '0',
    },
  ];
  await using lake = await openTempLake();
  await landNothing(lake);
  const hours = cases.map((_, n) => `2026-03-01T0${n}:00:00Z`);
  await landTransfers(lake, ...hours.map((at, n) => ({ id: `T${n}`, at })));
  const statements = cases.flatMap(({ by }, n) =>
    by.map((value: { label_id?: string }, m) => ({
      id: `T${n}`,
      at: `2026-03-1${m}T00:00:00Z`,
      value: { ...value, label_id: `${n} ${value.label_id ?? ''}` },
    })),
  );
  await landLabels(lake, ...statements);
  await runAll(lake);
  const rows = await rowsOf(lake, 'gold.hourly_metrics', { columns: 'hour, labelled_fraud_count as n' });
  expect(rows.map((row, n) => [cases[n]?.said, row['n']])).toEqual(
    cases.map(({ said, frauds }) => [said, frauds]),
  );
});

test('gold.actor_risk_profiles: a whole row, 30 days up to the last event, checked by hand', async () => {
  await using lake = await openTempLake();
  await landNothing(lake);
  await landTransfers(
    lake,
    {
      id: 'T0',
      at: '2026-01-01T12:00:00Z',
      value: { amount: 100, device_id: 'old', country_from: 'PL', country_to: 'PL' },
    },
    // Exactly 30 days before the last event: inside.
    { id: 'T1', at: '2026-03-01T10:00:00Z', value: { amount: 1 } },
    { id: 'T2', at: '2026-03-20T03:00:00Z', value: { amount: 2, account_to: 'eve', country_to: 'US' } },
    { id: 'T3', at: '2026-03-31T10:00:00Z', value: { amount: 6, device_id: 'tablet' } },
  );
  await landLabels(lake, { id: 'T0', at: '2026-01-05T00:00:00Z' });
  await runAll(lake);
  expect(await rowsOf(lake, 'gold.actor_risk_profiles')).toEqual([
    {
      actor_id: 'ann',
      domain: 'fintech',
      first_seen: '2026-01-01 12:00:00+00',
      last_seen: '2026-03-31 10:00:00+00',
      tx_count: '4',
      amount_base_minor: '10900',
      tx_count_30d: '3',
      amount_base_minor_30d: '900',
      mean_amount_base_minor_30d: 300,
      sd_amount_base_minor_30d: Math.sqrt((200 ** 2 + 100 ** 2 + 300 ** 2) / 2),
      max_amount_base_minor_30d: '600',
      devices_30d: '2',
      countries_30d: '1',
      counterparties_30d: '2',
      cross_border_share_30d: 1 / 3,
      night_share_30d: 1 / 3,
      fraud_label_count: '1',
      risk_tier: 'high',
      risk_rule: 'known fraud',
      _quarantine: null,
    },
  ]);
});

test('gold.actor_risk_profiles: each rule gives its tier and is named', async () => {
  const home = (n: number) => ({ country_from: `A${'ABCD'[n]}`, country_to: `A${'ABCD'[n]}` });
  const actors = [
    { actor: 'a', events: 1, value: () => ({}), tier: 'low', rule: 'no rule holds' },
    { actor: 'b', events: 3, value: deviceOf, tier: 'medium', rule: 'more than 2 devices in 30 days' },
    { actor: 'c', events: 6, value: deviceOf, tier: 'high', rule: 'more than 5 devices in 30 days' },
    { actor: 'd', events: 4, value: home, tier: 'high', rule: 'more than 3 countries in 30 days' },
    {
      actor: 'e',
      events: 5,
      value: () => ({ country_to: 'US' }),
      tier: 'high',
      rule: 'most events cross a border',
    },
  ];
  await using lake = await openTempLake();
  await landNothing(lake);
  const transfers = actors.flatMap(({ actor, events, value }) =>
    Array.from({ length: events }, (_, n) => ({
      id: `${actor}${n}`,
      at: `2026-03-0${n + 1}T10:00:00Z`,
      value: { ...value(n), account_from: actor },
    })),
  );
  await landTransfers(lake, ...transfers);
  await runAll(lake);
  const columns = 'actor_id as actor, risk_tier as tier, risk_rule as rule, sd_amount_base_minor_30d as sd';
  expect(await rowsOf(lake, 'gold.actor_risk_profiles', { columns })).toEqual(
    actors.map(({ actor, tier, rule, events }) => ({ actor, tier, rule, sd: events === 1 ? null : 0 })),
  );
});

function deviceOf(n: number) {
  return { device_id: `d${n}` };
}

test('the models of the payment domains do not depend on how their sources were cut into runs', async () => {
  const steps = [
    (lake: Parameters<typeof runAll>[0]) => landTransfers(lake, { id: 'T1', at: '2026-03-01T10:00:00Z' }),
    (lake: Parameters<typeof runAll>[0]) => landLabels(lake, { id: 'T2', at: '2026-03-02T00:00:00Z' }),
    (lake: Parameters<typeof runAll>[0]) =>
      landOrders(lake, { id: 'E1', at: '2026-03-01T10:00:00Z' }, { id: 'T1', at: '2026-03-01T09:00:00Z' }),
    (lake: Parameters<typeof runAll>[0]) => landTransfers(lake, { id: 'T2', at: '2026-03-01T10:30:00Z' }),
    // A correction that says that another event was meant.
    (lake: Parameters<typeof runAll>[0]) =>
      landLabels(lake, {
        id: 'E1',
        at: '2026-03-03T00:00:00Z',
        value: { label_id: 'L-T2', revision: 2 },
      }),
  ];
  const tables = async (runAfter: readonly number[]) => {
    await using lake = await openTempLake();
    await landNothing(lake);
    for (const [index, step] of steps.entries()) {
      await step(lake);
      if (runAfter.includes(index)) await runAll(lake);
    }
    await runAll(lake);
    const columns = '* exclude (_offset)';
    return [
      await rowsOf(lake, 'silver.transactions', { columns }),
      await rowsOf(lake, 'gold.hourly_metrics'),
      await rowsOf(lake, 'gold.actor_risk_profiles'),
    ];
  };
  const whole = await tables([]);
  expect(whole[0]).toHaveLength(3);
  for (const cuts of [[0, 1, 2, 3], [1]]) expect(await tables(cuts), `runs after ${cuts}`).toEqual(whole);
});
