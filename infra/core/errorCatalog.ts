import { type ErrorDefinition, type ErrorDetails, TidemarkError } from './errors.ts';

/**
 * Every error that Tidemark raises on purpose, by code. Sorted by room. A test holds this table
 * against `docs/errors.md` and against the code that throws.
 */
const CATALOG = {
  // core
  CONFIG_INVALID: {
    domain: 'user',
    retry: 'never',
    message: 'the environment is not a valid configuration: {problems}',
    remedy: 'set the named variables as shown in infra/core/config.ts and start again',
  },
  KAFKA_TOPIC_COMPACTED: {
    domain: 'user',
    retry: 'never',
    message: 'topic {topic} is compacted (cleanup.policy={policy}): records would vanish before they land',
    remedy: 'set cleanup.policy=delete on {topic}',
  },
  KAFKA_TOPIC_PARTITIONS: {
    domain: 'user',
    retry: 'never',
    message: 'topic {topic} has {actual} partitions, its contract says {expected}',
    remedy: 'set partitions in the contract of {topic} to {actual}, or create the topic with {expected}',
  },
  KAFKA_UNAVAILABLE: {
    domain: 'external',
    retry: 'backoff',
    message: 'Kafka at {brokers} did not answer: {detail}',
    remedy: 'check that the broker runs (./tidemark ps) and TIDEMARK_KAFKA or TIDEMARK_KAFKA_PORT',
  },
  // lakehouse
  LAKE_STORE_UNSAFE: {
    domain: 'external',
    retry: 'never',
    message: 'the object store {uri} does not honour put-if-absent: {detail}',
    remedy: 'use a store with conditional PUT (AWS S3, versitygw, MinIO 2024-05 or later, a local disk)',
  },
  LAKE_STORE_UNAVAILABLE: {
    domain: 'external',
    retry: 'backoff',
    message: 'the object store {uri} did not answer: {detail}',
    remedy: 'check the endpoint and the keys (TIDEMARK_LAKE, TIDEMARK_S3_ENDPOINT, AWS_ACCESS_KEY_ID)',
  },
  // sql
  SQL_FAILED: {
    domain: 'user',
    retry: 'never',
    message: '{detail}',
    remedy: 'correct the statement; `select * from ops.tables` lists what can be read',
  },
  SQL_NO_RELEASE: {
    domain: 'user',
    retry: 'never',
    message: '{table} has no released version: no transform run has published a release yet',
    remedy: 'run `./tidemark run` once records have landed; bronze and ops tables can be read before',
  },
  SQL_REFUSED: {
    domain: 'user',
    retry: 'never',
    message: 'the statement is not allowed: {detail}',
    remedy: 'write one SELECT over the tables of bronze, silver, gold and ops',
  },
  SQL_RELEASE_UNKNOWN: {
    domain: 'user',
    retry: 'never',
    message: 'there is no release {release}; the newest is {newest}',
    remedy: 'leave --release out for the newest one',
  },
  SQL_SYNTAX: {
    domain: 'user',
    retry: 'never',
    message: 'Parser Error: {detail}',
    remedy: 'correct the statement at the mark',
  },
  SQL_TABLE_UNKNOWN: {
    domain: 'user',
    retry: 'never',
    message: 'there is no table {table}; {nearest}{caret}',
    remedy: '`select * from ops.tables` lists what can be read',
  },
  SQL_TIMEOUT: {
    domain: 'user',
    retry: 'never',
    message: 'the statement was stopped after {seconds} s',
    remedy: 'ask for less (filter by the partition column) or give it more time (--timeout)',
  },
  // stack
  STACK_BRING_FAILED: {
    domain: 'external',
    retry: 'backoff',
    message: '{tool} could not be brought: {detail}',
    remedy: "check the network and the disk, then run 'make setup' again",
  },
  STACK_PORT_BUSY: {
    domain: 'user',
    retry: 'never',
    message: '{service} cannot listen on port {port}: {holder} holds it',
    remedy: 'stop that process, or set {setting} to a free port and run the command again',
  },
  STACK_POSTGRES_FAILED: {
    domain: 'external',
    retry: 'never',
    message: 'PostgreSQL could not be set up: {detail}',
    remedy: 'run Tidemark as another user than root, or name a server of yours in TIDEMARK_POSTGRES_URL',
  },
  STACK_SERVICE_EXITED: {
    domain: 'external',
    retry: 'backoff',
    message: '{service} ended with {outcome} before it was ready; the end of {logFile}: {tail}',
    remedy: 'read {logFile}; the supervisor tries again by itself',
  },
  STACK_SERVICE_NOT_READY: {
    domain: 'external',
    retry: 'backoff',
    message: '{service} was not ready after {seconds} s',
    remedy: 'read {logFile}; on a slow or busy machine run the command again',
  },
  STACK_TOOL_MISSING: {
    domain: 'user',
    retry: 'never',
    message: '{tool} is missing',
    remedy: '{command}',
  },
} as const satisfies Record<string, ErrorDefinition>;

export type ErrorCode = keyof typeof CATALOG;

/** The catalogue as data, for documentation and tests. */
export const ERROR_CATALOG: Readonly<Record<string, ErrorDefinition>> = CATALOG;

/** An error of the catalogue, ready to be thrown; `cause` is kept. */
export function fault(code: ErrorCode, details: ErrorDetails = {}, cause?: unknown): TidemarkError {
  return new TidemarkError(code, CATALOG[code], details, cause);
}

/** Whether `error` is the catalogue's error `code`. */
export function isFault(error: unknown, code: ErrorCode): error is TidemarkError {
  return error instanceof TidemarkError && error.code === code;
}
