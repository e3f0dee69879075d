import kafkajs, { type Admin, CompressionTypes, Kafka, type LogEntry, logLevel } from 'kafkajs';
import { fault } from './errorCatalog.ts';
import { BATCH_CODECS } from './kafkaCodecs.ts';
import type { Logger } from './ports.ts';

/** What the producers, consumers and administration of this process have in common. */

/** Two minutes in all: longer than a broker needs to restart, after kill -9 too. */
export const PATIENT = { initialRetryTime: 100, maxRetryTime: 2_000, retries: 60 };

/** A client of the cluster; nothing connects yet. */
export function kafkaClient(options: {
  brokers: readonly string[];
  clientId: string;
  log?: Logger;
  retries?: number;
}): Kafka {
  const { log, retries = PATIENT.retries } = options;
  setCodecs();
  return new Kafka({
    clientId: options.clientId,
    brokers: [...options.brokers],
    retry: { ...PATIENT, retries },
    connectionTimeout: 3_000,
    logLevel: log === undefined ? logLevel.NOTHING : logLevel.WARN,
    logCreator: () => (entry) => {
      if (log !== undefined) forward(entry, log);
    },
  });
}

/** A call to the cluster, whose failure is a KAFKA_UNAVAILABLE. */
export async function reached<T>(brokers: readonly string[], call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    if ((error as { type?: string }).type === 'MESSAGE_TOO_LARGE') {
      throw fault('KAFKA_MESSAGE_TOO_LARGE', { detail }, error);
    }
    throw fault('KAFKA_UNAVAILABLE', { brokers: brokers.join(','), detail }, error);
  }
}

/** An administration client for the length of a call. */
export async function withAdmin(
  brokers: readonly string[],
  retry: typeof PATIENT,
  use: (admin: Admin) => Promise<void>,
): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const admin = kafkaClient({ brokers, clientId: 'tidemark-admin' }).admin({ retry });
  stack.defer(() => admin.disconnect());
  await reached(brokers, () => admin.connect());
  await use(admin);
}

// === Helpers ===

/** kafkajs keeps codecs for the whole process; setting them again changes nothing. */
function setCodecs(): void {
  // Node does not see it among the named exports of a CommonJS package.
  const { CompressionCodecs: codecs } = kafkajs;
  codecs[CompressionTypes.Snappy] = () => BATCH_CODECS.snappy;
  codecs[CompressionTypes.LZ4] = () => BATCH_CODECS.lz4;
  codecs[CompressionTypes.ZSTD] = () => BATCH_CODECS.zstd;
}

/** What kafkajs calls an error is mostly a retry that then works: the thrown error is the verdict. */
function forward({ namespace, log: { message, ...rest } }: LogEntry, log: Logger): void {
  const { error, broker, groupId, retryCount } = rest as Record<string, unknown>;
  log.warn({ client: namespace, detail: message, error, broker, groupId, retryCount }, 'kafka client');
}
