import { expect, test } from 'vitest';
import { openTempLake } from '../support/tempLake.ts';
import { landLabels, landNothing, landOrders, landPurchases, landTransfers, runAll } from './payments.ts';
import { modelReport, rowsOf } from './support.ts';

test('silver.transactions: a whole row of each domain', async () => {
  await using lake = await openTempLake();
  await landNothing(lake);
  await landTransfers(lake, {
    id: 'T000000000000001',
    at: '2026-03-01T10:00:00.123Z',
    value: { country_to: 'US' },
  });
  await landPurchases(lake, { id: 'G000000000000001', at: '2026-03-01T11:00:00Z', value: { country: 'PT' } });
  await landOrders(lake, {
    id: 'E000000000000001',
    at: '2026-03-02T00:00:00Z',
    value: { shipping_address: { street: 'a', city: 'b', zip: '2', country: 'BR' } },
  });
  await runAll(lake);
  const rows = await rowsOf(lake, 'silver.transactions', { columns: '* exclude (_offset)' });
  const place = { _topic_id: 'topic-1', _partition: 0, _quarantine: null };
  const none = {
    counterparty_category: null,
    counterparty_risk_tier: null,
    instrument_id: null,
    session_seconds: null,
    item_type: null,
    item_name: null,
    transfer_type: null,
    purpose: null,
    cart_items: null,
    shipping_address: null,
    billing_address: null,
  };
  expect(rows).toEqual([
    {
      ...none,
      ...place,
      domain: 'ecommerce',
      event_id: 'E000000000000001',
      event_time: '2026-03-02 00:00:00+00',
      event_date: '2026-03-02',
      actor_id: 'uma',
      amount_minor: '330',
      currency: 'USD',
      amount_base_minor: '330',
      counterparty_id: 'nobody-knows',
      counterparty_kind: 'merchant',
      instrument_kind: 'credit_card',
      instrument_id: 'card',
      device_id: 'laptop',
      ip_address: '10.0.0.3',
      country: 'FR',
      country_from: 'FR',
      country_to: 'BR',
      is_cross_border: true,
      session_seconds: 30,
      cart_items: [{ product_id: 'p', category: 'books', price: '1.10', quantity: 3 }],
      shipping_address: { street: 'a', city: 'b', state: null, zip: '2', country: 'BR' },
      billing_address: { street: 'x', city: 'y', state: null, zip: '1', country: 'FR' },
      _topic: 'tx.ecommerce',
      _arrived_at: '2026-03-02 00:00:01+00',
    },
    {
      ...none,
      ...place,
      domain: 'fintech',
      event_id: 'T000000000000001',
      event_time: '2026-03-01 10:00:00.123+00',
      event_date: '2026-03-01',
      actor_id: 'ann',
      amount_minor: '1000',
      currency: 'USD',
      amount_base_minor: '1000',
      counterparty_id: 'bob',
      counterparty_kind: 'account',
      instrument_kind: 'sepa',
      device_id: 'phone',
      ip_address: '10.0.0.1',
      country: 'DE',
      country_from: 'DE',
      country_to: 'US',
      is_cross_border: true,
      transfer_type: 'sepa',
      purpose: 'rent',
      _topic: 'tx.fintech',
      _arrived_at: '2026-03-01 10:00:01.123+00',
    },
    {
      ...none,
      ...place,
      domain: 'gaming',
      event_id: 'G000000000000001',
      event_time: '2026-03-01 11:00:00+00',
      event_date: '2026-03-01',
      actor_id: 'pat',
      amount_minor: '500',
      currency: 'USD',
      amount_base_minor: '500',
      counterparty_id: 'FortniteClone',
      counterparty_kind: 'game',
      counterparty_category: 'shooter',
      counterparty_risk_tier: 'low',
      instrument_kind: 'paypal',
      instrument_id: 'card',
      device_id: 'console',
      ip_address: '10.0.0.2',
      country: 'PT',
      country_from: 'PT',
      country_to: null,
      is_cross_border: false,
      session_seconds: 60,
      item_type: 'skin',
      item_name: 'hat',
      _topic: 'tx.gaming',
      _arrived_at: '2026-03-01 11:00:01+00',
    },
  ]);
});

test('silver.transactions: money is exact, in minor units and in base cents rounded half to even', async () => {
  await using lake = await openTempLake();
  await landNothing(lake);
  const amounts = [
    // 1.00 EUR = 108.5 cents and 3.00 EUR = 325.5 cents: half goes to the even neighbour.
    { amount: 1, currency: 'EUR', minor: '100', base: '108' },
    { amount: 3, currency: 'EUR', minor: '300', base: '326' },
    { amount: 0.1, currency: 'EUR', minor: '10', base: '11' },
    { amount: 1000, currency: 'JPY', minor: '1000', base: '670' },
    { amount: 99999999999.99, currency: 'USD', minor: '9999999999999', base: '9999999999999' },
    { amount: 0, currency: 'USD', minor: '0', base: '0' },
  ];
  const at = '2026-03-01T10:00:00Z';
  await landTransfers(
    lake,
    ...amounts.map(({ amount, currency }, n) => ({ id: `T${n}`, at, value: { amount, currency } })),
  );
  await runAll(lake);
  const columns = 'event_id, amount_minor, amount_base_minor, _quarantine';
  expect(await rowsOf(lake, 'silver.transactions', { columns })).toEqual(
    amounts.map(({ minor, base }, n) => ({
      event_id: `T${n}`,
      amount_minor: minor,
      amount_base_minor: base,
      _quarantine: null,
    })),
  );
});

test('silver.transactions: an amount finer than its currency is quarantined, and gold does not see it', async () => {
  await using lake = await openTempLake();
  await landNothing(lake);
  await landTransfers(lake, {
    id: 'T1',
    at: '2026-03-01T10:00:00Z',
    value: { amount: 10.5, currency: 'JPY' },
  });
  const report = await runAll(lake);
  expect(modelReport(report, 'silver.transactions').rows_quarantined).toBe(1);
  expect(
    await rowsOf(lake, 'silver.transactions', { columns: 'event_id, amount_minor, _quarantine' }),
  ).toEqual([{ event_id: 'T1', amount_minor: null, _quarantine: 'not_null(amount_minor)' }]);
  expect(await rowsOf(lake, 'gold.hourly_metrics')).toEqual([]);
});

test('silver.transactions: absurd amounts are quarantined and stop nothing', async () => {
  await using lake = await openTempLake();
  await landNothing(lake);
  await landTransfers(lake, { id: 'T1', at: '2026-03-01T10:00:00Z', value: { amount: 9999999999999.99 } });
  const item = { product_id: 'p', category: 'books', price: 9999999999999.99, quantity: 2_147_483_647 };
  await landOrders(lake, { id: 'E1', at: '2026-03-01T10:00:00Z', value: { cart_items: [item, item] } });
  // The most that a record can say.
  const cart_items = Array.from({ length: 100 }, () => item);
  await landOrders(lake, { id: 'E2', at: '2026-03-01T10:00:00Z', value: { cart_items, currency: 'GBP' } });
  await landPurchases(lake, { id: 'G1', at: '2026-03-01T10:00:00Z' });
  await runAll(lake);
  expect(await rowsOf(lake, 'silver.transactions', { columns: 'event_id, _quarantine' })).toEqual([
    { event_id: 'E1', _quarantine: 'not_null(amount_minor); not_null(amount_base_minor)' },
    { event_id: 'E2', _quarantine: 'not_null(amount_minor); not_null(amount_base_minor)' },
    { event_id: 'G1', _quarantine: null },
    { event_id: 'T1', _quarantine: 'amount_plausible' },
  ]);
});

test('silver.transactions: the first arrival of an event id stays, within a run and across runs', async () => {
  await using lake = await openTempLake();
  await landNothing(lake);
  const at = '2026-03-01T10:00:00Z';
  await landTransfers(
    lake,
    { id: 'T1', at, arrivedAt: '2026-03-01T10:00:05Z', value: { purpose: 'second' } },
    { id: 'T1', at, arrivedAt: '2026-03-01T10:00:02Z', partition: 1, value: { purpose: 'first' } },
  );
  await runAll(lake);
  await landTransfers(lake, { id: 'T1', at, arrivedAt: '2026-03-01T11:00:00Z', value: { purpose: 'third' } });
  expect(modelReport(await runAll(lake), 'silver.transactions').rows_written).toBe(0);
  expect(await rowsOf(lake, 'silver.transactions', { columns: 'purpose' })).toEqual([{ purpose: 'first' }]);
  // History that is landed later but arrived earlier takes its place.
  await landTransfers(lake, {
    id: 'T1',
    at,
    arrivedAt: '2026-03-01T10:00:01Z',
    value: { purpose: 'earliest' },
  });
  await runAll(lake);
  expect(await rowsOf(lake, 'silver.transactions', { columns: 'purpose' })).toEqual([
    { purpose: 'earliest' },
  ]);
});

test('silver.labels: all revisions, each once, known when it was available and had arrived', async () => {
  await using lake = await openTempLake();
  await landNothing(lake);
  await landLabels(lake, { id: 'T1', at: '2026-03-05T00:00:00Z', arrivedAt: '2026-03-05T00:10:00Z' });
  await landLabels(
    lake,
    { id: 'T1', at: '2026-03-05T00:00:00Z', arrivedAt: '2026-03-06T00:00:00Z' },
    {
      id: 'T1',
      at: '2026-03-07T00:00:00Z',
      arrivedAt: '2026-03-06T23:59:00Z',
      value: { revision: 2, label: 'legitimate', fraud_type: null },
    },
  );
  await runAll(lake);
  const columns = 'label_id, revision, event_id, label, fraud_type, source, known_at';
  expect(await rowsOf(lake, 'silver.labels', { columns })).toEqual([
    {
      label_id: 'L-T1',
      revision: 1,
      event_id: 'T1',
      label: 'fraud',
      fraud_type: 'fraud_takeover',
      source: 'chargeback',
      known_at: '2026-03-05 00:10:00+00',
    },
    {
      label_id: 'L-T1',
      revision: 2,
      event_id: 'T1',
      label: 'legitimate',
      fraud_type: null,
      source: 'chargeback',
      known_at: '2026-03-07 00:00:00+00',
    },
  ]);
});

test('silver.merchants: the seed, typed', async () => {
  await using lake = await openTempLake();
  await landNothing(lake);
  await runAll(lake);
  const rows = await rowsOf(lake, 'silver.merchants');
  expect(rows.length).toBeGreaterThan(50);
  expect(rows).toContainEqual(
    expect.objectContaining({
      merchant_id: 'FortniteClone',
      kind: 'game',
      category: 'shooter',
      risk_tier: 'low',
    }),
  );
});
