import { connectProducer, type KafkaProducer } from '../../infra/core/kafka.ts';
import type { Clock, CrashPoint, Logger } from '../../infra/core/ports.ts';
import type { Postgres, Queryable } from '../../infra/core/postgres.ts';

export interface RelayDeps {
  readonly postgres: Postgres;
  readonly brokers: readonly string[];
  readonly clock: Clock;
  readonly log: Logger;
  readonly crashPoint: CrashPoint;
}

/** How long a record may wait before it is seen, in milliseconds. */
const EVERY_MS = 1_000;

/**
 * Sends the outbox to Kafka until the signal: in the order in which it was written, by key, at least once.
 * One relay sends at a time, whichever process it is in. @throws POSTGRES_UNAVAILABLE, KAFKA_UNAVAILABLE
 */
export async function relayOutbox(deps: RelayDeps, signal: AbortSignal): Promise<void> {
  await using stack = new AsyncDisposableStack();
  let producer: KafkaProducer | undefined;
  const send: Send = async (topic, records) => {
    producer ??= stack.use(await connect(deps));
    await producer.send(topic, records);
  };
  const aborted = Promise.withResolvers<void>();
  signal.addEventListener('abort', () => aborted.resolve(), { once: true });
  while (!signal.aborted) {
    // At the end nobody waits for an absent broker: what was not marked is sent again.
    const sent = await Promise.race([relayOnce(deps, send), aborted.promise]);
    if (sent === RELAY_BATCH) continue;
    await deps.clock.sleep(EVERY_MS, signal).catch(() => undefined);
  }
}

/** Sends what waits, at most so many records; how many it were. */
export async function relayOnce(
  { postgres, clock, crashPoint, log }: Omit<RelayDeps, 'brokers'>,
  send: Send,
): Promise<number> {
  return await postgres.withTransaction(async (tx) => {
    const waiting = await claim(tx);
    if (waiting.length === 0) return 0;
    crashPoint('before-relay-send');
    for (const [topic, records] of Map.groupBy(waiting, (one) => one.topic)) await send(topic, records);
    crashPoint('after-relay-send');
    // After the acknowledgement: a crash before it sends the records again, and readers know them by their ids.
    const now = clock.nowMs();
    await tx.query('update tidemark.outbox set sent_at = $2 where number = any($1::bigint[])', [
      waiting.map(({ number }) => number),
      new Date(now),
    ]);
    await tx.query('delete from tidemark.outbox where sent_at < $1', [new Date(now - KEPT_MS)]);
    crashPoint('before-relay-mark');
    log.info({ records: waiting.length }, 'outbox sent');
    return waiting.length;
    // COMMIT POINT of the marks.
  });
}

// === Helpers ===

type Send = (topic: string, records: readonly { key: string; value: string }[]) => Promise<void>;

const RELAY_BATCH = 500;
/** What was sent is kept for a while, for those who look for it. */
const KEPT_MS = 30 * 86_400_000;
/** Any number, as long as it is this one. */
const LOCK = 7_305_091_843;

interface OutboxRow {
  readonly number: number;
  readonly topic: string;
  readonly key: string;
  readonly value: string;
}

/** Nothing when another relay is at work. */
async function claim(tx: Queryable): Promise<OutboxRow[]> {
  const [lock] = await tx.query<{ isOurs: boolean }>('select pg_try_advisory_xact_lock($1) as "isOurs"', [
    LOCK,
  ]);
  if (!lock?.isOurs) return [];
  return await tx.query<OutboxRow>(
    `select number, topic, key, value from tidemark.outbox where sent_at is null order by number limit $1`,
    [RELAY_BATCH],
  );
}

function connect({ brokers, log }: RelayDeps): Promise<KafkaProducer> {
  return connectProducer({ brokers, clientId: `tidemark-relay-${process.pid}`, log });
}
