import { cpuUsage } from 'node:process';
import { paymentContent } from '../../infra/content.ts';
import { openFeatures } from '../../infra/features.ts';
import { createStreamState } from '../../transforms/featureStream.ts';
import { openLandedRows } from '../transforms/features/landedRows.ts';
import { randomOf, type StreamRecord } from '../transforms/features/randomStream.ts';

/**
 * The stream update over many keys and over few, its memory, and the back-fill of the same rows. Prints
 * figures; asserts nothing. Usage: node --expose-gc test/bench/features.ts [events] [keys]
 */
const [events = 1_000_000, keys = 1_000_000] = process.argv.slice(2).map(Number);

const DAY_MS = 86_400_000;
const START_MS = Date.UTC(2026, 0, 1);

const [, set] = await openFeatures(paymentContent);
const contract = paymentContent.contracts.find(({ table }) => table === set?.source.table);
if (set === undefined || contract === undefined) throw new Error('the second source is gone');

console.log(`${set.features.length} features of ${set.source.name}, ${events} events`);
for (const actors of [keys, 10_000, 100]) streamOver(actors);
for (const actors of [1_000, 60_000]) await backfill(Math.min(events, 200_000), actors);

// === Helpers ===

/** Events spread over 20 hours, so that every window is full. */
function recordAt(i: number, total: number, key: string, below: (limit: number) => number): StreamRecord {
  const eventTimeMs = START_MS + Math.floor((i / total) * 0.8 * DAY_MS);
  const value = {
    transaction_id: 'A'.repeat(16),
    timestamp: new Date(eventTimeMs).toISOString(),
    account_from: key,
    account_to: `other-${below(5)}`,
    amount: below(1_000_000) / 100,
    currency: 'EUR',
    transfer_type: 'sepa',
    country_from: 'DE',
    country_to: 'FR',
    purpose: 'rent',
    ip_address: '10.0.0.1',
    device_id: `device-${below(3)}`,
  };
  const place = { topicId: 'topic-1', partition: 0, offset: i, arrivedAtMs: eventTimeMs + 1_000 };
  return { ...place, key, eventTimeMs, value };
}

function streamOver(actors: number): void {
  if (set === undefined) return;
  const random = randomOf(actors);
  const state = createStreamState(set);
  const vector = new Float32Array(set.features.length);
  const chunk = 10_000;
  globalThis.gc?.();
  const before = process.memoryUsage().rss;
  let micros = 0;
  for (let from = 0; from < events; from += chunk) {
    const records = Array.from({ length: Math.min(chunk, events - from) }, (_, i) => {
      const actor = actors >= events ? from + i : random.below(actors);
      return recordAt(from + i, events, `actor-${actor}`, random.below);
    });
    const start = cpuUsage();
    for (const record of records) state.next(record, vector);
    const { user, system } = cpuUsage(start);
    micros += user + system;
  }
  globalThis.gc?.();
  const megabytes = Math.round((process.memoryUsage().rss - before) / 2 ** 20);
  const rate = Math.round(events / (micros / 1e6) / 1_000);
  console.log(`stream, ${state.keys} keys: ${rate} k events a CPU-second, ${megabytes} MiB more resident`);
}

async function backfill(rows: number, actors: number): Promise<void> {
  if (set === undefined || contract === undefined) return;
  const random = randomOf(1);
  const records = Array.from({ length: rows }, (_, i) =>
    recordAt(i, rows, `actor-${random.below(actors)}`, random.below),
  );
  const visible = records.map((record) => ({ ...record, visibleFromMs: 0 }));
  await using landed = await openLandedRows(paymentContent.contracts, { [contract.table]: visible });
  const tiles = await landed.buildTiles(set.gold);
  const start = cpuUsage();
  const found = await landed.vectors(set, { tiles });
  const { user, system } = cpuUsage(start);
  console.log(
    `back-fill, ${actors} keys: ${found.size} rows in ${((user + system) / 1e6).toFixed(1)} CPU-seconds`,
  );
}
