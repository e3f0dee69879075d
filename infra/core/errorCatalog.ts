import { DECISION_ERRORS } from './errorCatalogDecisions.ts';
import { GRID_ERRORS } from './errorCatalogGrid.ts';
import { INGESTION_ERRORS } from './errorCatalogIngestion.ts';
import { SCORING_ERRORS } from './errorCatalogScoring.ts';
import { type ErrorDefinition, type ErrorDetails, TidemarkError } from './errors.ts';

/**
 * Every error that Tidemark raises deliberately, by code. Sorted by room. A test holds this table
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
  KAFKA_MESSAGE_TOO_LARGE: {
    domain: 'user',
    retry: 'never',
    message: 'the broker refuses a record for its size: {detail}',
    remedy: 'raise max.message.bytes of the topic, or send smaller records',
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
  LAKE_CHECKPOINT_INCOMPLETE: {
    domain: 'external',
    retry: 'backoff',
    message: 'a checkpoint would have {rows} rows for {actions} actions; it is not written',
    remedy:
      'look for a full disk below TIDEMARK_HOME; the commit stands, and a later one writes the checkpoint',
  },
  LAKE_COLUMN_NAME: {
    domain: 'user',
    retry: 'never',
    message:
      'a table cannot have a column named "{name}": empty, twice, or with white space, a bracket or one of ,;= in it',
    remedy: 'rename the column; names are compared without case',
  },
  LAKE_COMMIT_TIMEOUT: {
    domain: 'external',
    retry: 'backoff',
    message: 'no outcome of a commit to {table} after {attempts} attempts',
    remedy: 'check the object store; the commit may still appear, so read the table before writing again',
  },
  LAKE_FILE_NOT_LIVE: {
    domain: 'internal',
    retry: 'replan',
    message: 'a commit removes {path}, which {table} does not hold at version {version}',
    remedy: 'read the table again and decide again',
  },
  LAKE_LOG_CORRUPT: {
    domain: 'external',
    retry: 'never',
    message: 'the table log is damaged at version {version}: {detail}',
    remedy: 'restore the file of _delta_log from a backup; Tidemark never changes a committed one',
  },
  LAKE_LOG_GAP: {
    domain: 'external',
    retry: 'never',
    message: 'version {version} of {table} is missing from its log',
    remedy: 'ask for a version that the log still holds (table history), or restore the file',
  },
  LAKE_LOG_TRUNCATED: {
    domain: 'external',
    retry: 'replan',
    message: 'the log of {table} no longer holds version {version}, which an incremental reader needs',
    remedy: 'rebuild the reader from a full snapshot',
  },
  LAKE_NULL_VALUE: {
    domain: 'user',
    retry: 'never',
    message: 'column {column} of {table} is not nullable, but {nulls} rows have no value',
    remedy: 'correct the query, or declare the column nullable',
  },
  LAKE_OBJECT_MISSING: {
    domain: 'external',
    retry: 'replan',
    message: 'the object {key} is not in the store {uri}',
    remedy: 'if it belongs to an old version it was vacuumed: read a newer one; else restore it',
  },
  LAKE_PARTITION_COLUMN: {
    domain: 'user',
    retry: 'never',
    message: '{table} cannot be partitioned by {column}: no such column, or a type without one spelling',
    remedy: 'partition by a date, a string, an integer, a boolean or a decimal',
  },
  LAKE_PARTITION_VALUE: {
    domain: 'internal',
    retry: 'never',
    message: 'no value for partition column {column} of {table}',
    remedy: 'name every partition column in partitionValues',
  },
  LAKE_PATH_UNSUPPORTED: {
    domain: 'user',
    retry: 'never',
    message: 'a file of {table} lies outside of its directory: {path}',
    remedy: 'copy the table so that its log holds relative paths',
  },
  LAKE_PROTOCOL_UNSUPPORTED: {
    domain: 'user',
    retry: 'never',
    message: '{table} cannot be {verb}: it needs {needs}',
    remedy: 'use an engine that supports these Delta features, or rewrite the table without them',
  },
  LAKE_REARRANGED_ROWS: {
    domain: 'internal',
    retry: 'never',
    message: 'compaction of {table} read {expected} rows and wrote {actual}; nothing was committed',
    remedy: 'report it with the log of the table; the data is as it was',
  },
  LAKE_RELEASE_CORRUPT: {
    domain: 'external',
    retry: 'never',
    message: 'release {number} is not a readable release document',
    remedy: 'restore _releases from a backup; Tidemark never changes a published one',
  },
  LAKE_RELEASE_LACKS_MODEL: {
    domain: 'user',
    retry: 'never',
    message: 'release {number} has no table of {model}',
    remedy: '`tidemark release list` shows which releases there are; name one that has the model',
  },
  LAKE_RELEASE_UNKNOWN: {
    domain: 'user',
    retry: 'never',
    message: 'there is no release {release}; the newest is {newest}',
    remedy: '`tidemark release list` shows them; without a number the newest one is meant',
  },
  LAKE_SCHEMA_INCOMPATIBLE: {
    domain: 'user',
    retry: 'never',
    message: 'column {column} is {current} in the table and {wanted} in what is written',
    remedy: 'keep the type, or use a new column name: only new nullable columns are added in place',
  },
  LAKE_SCHEMA_INVALID: {
    domain: 'external',
    retry: 'never',
    message: 'not a Delta schema: {schema}',
    remedy: 'check the metaData action that holds it',
  },
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
  LAKE_TABLE_MISSING: {
    domain: 'user',
    retry: 'never',
    message: 'there is no table {table}',
    remedy: 'list the tables with: ./tidemark table list',
  },
  LAKE_TIME_NOT_FOUND: {
    domain: 'user',
    retry: 'never',
    message: '{table} has no version at or before {time}; the earliest in its log is {earliest}',
    remedy: 'ask for a later time',
  },
  LAKE_TYPE_UNSUPPORTED: {
    domain: 'user',
    retry: 'never',
    message: 'the type {type} has no counterpart in a table',
    remedy: 'cast it: sums of integers to BIGINT or DECIMAL, times to TIMESTAMPTZ, others to VARCHAR',
  },
  LAKE_VACUUM_RETENTION: {
    domain: 'user',
    retry: 'never',
    message: 'a retention of {hours} hours may delete files that readers and writers still use',
    remedy: 'keep at least 7 days, or force it when nothing else uses the table',
  },
  LAKE_VERSION_NOT_FOUND: {
    domain: 'user',
    retry: 'never',
    message: '{table} has no version {version}; the newest is {newest}',
    remedy: 'list the versions with: ./tidemark table history {table}',
  },
  // sql
  SQL_CANCELLED: {
    domain: 'user',
    retry: 'never',
    message: 'the statement was cancelled',
    remedy: 'run it again',
  },
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
  SQL_OUT_OF_MEMORY: {
    domain: 'user',
    retry: 'never',
    message: 'the statement needs more than its memory of {memory}: {detail}',
    remedy: 'aggregate or filter earlier, or raise TIDEMARK_DUCKDB_MEMORY',
  },
  SQL_REFUSED: {
    domain: 'user',
    retry: 'never',
    message: 'the statement is not allowed: {detail}',
    remedy: 'write one SELECT over the tables of bronze, silver, gold and ops',
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
  STACK_NO_SUCH_LOG: {
    domain: 'user',
    retry: 'never',
    message: 'there is no log {name}, only: {known}',
    remedy: 'name one of: {known}',
  },
  STACK_NOT_UP: {
    domain: 'external',
    retry: 'backoff',
    message: '{service} does not start: {problem} ({advice})',
    remedy: "resolve that and run the command again; './tidemark logs {service}' shows more",
  },
  STACK_PORT_BUSY: {
    domain: 'user',
    retry: 'never',
    message: '{service} cannot listen on port {port} ({setting}): {holder} holds it',
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
    message: '{service} ended with {outcome} before it was ready: {said} (log: {logFile})',
    remedy: 'read {logFile}; the supervisor tries again by itself',
  },
  STACK_SERVICE_NOT_READY: {
    domain: 'external',
    retry: 'backoff',
    message: '{service} was not ready after {seconds} s (log: {logFile})',
    remedy: 'read {logFile}; on a slow or busy machine run the command again',
  },
  STACK_STEP_FAILED: {
    domain: 'external',
    retry: 'backoff',
    message: "'{command}' ended with {outcome}: {tail}",
    remedy: "resolve what it says, then run 'make up' again: it goes on where it stopped",
  },
  STACK_TOOL_MISSING: {
    domain: 'user',
    retry: 'never',
    message: "{tool} is missing; it comes with '{command}'",
    remedy: 'run: {command}',
  },
  // transforms
  FEATURE_INVALID: {
    domain: 'user',
    retry: 'never',
    message: 'feature {feature}: {problem}',
    remedy: "correct the entry or the input; 'Add a feature' in transforms/README.md shows an example",
  },
  FEATURE_UNKNOWN: {
    domain: 'user',
    retry: 'never',
    message: "no feature is named '{feature}'",
    remedy: 'name one of: {known}',
  },
  MODEL_INVALID: {
    domain: 'user',
    retry: 'never',
    message: 'model file {file}: {problem}',
    remedy: 'correct the file; transforms/README.md shows the header and an example',
  },
  MODEL_SQL_FAILED: {
    domain: 'user',
    retry: 'never',
    message: 'the SQL of model {model} failed: {detail}',
    remedy: 'correct the model; it and what reads it keep their released version until it runs',
  },
  MODEL_UNKNOWN: {
    domain: 'user',
    retry: 'never',
    message: "no model is named by '{selector}'",
    remedy: 'name one of: {known}',
  },
  RUN_CONTENDED: {
    domain: 'external',
    retry: 'backoff',
    message: 'another runner committed first in each of {tries} tries',
    remedy: 'let one runner finish, then run again; nothing is lost or doubled',
  },
  ...INGESTION_ERRORS,
  ...SCORING_ERRORS,
  ...DECISION_ERRORS,
  ...GRID_ERRORS,
} as const satisfies Record<string, ErrorDefinition>;

export type ErrorCode = keyof typeof CATALOG;

/** The catalogue as data, for documentation and tests. */
export const ERROR_CATALOG: Readonly<Record<string, ErrorDefinition>> = CATALOG;

/** The placeholders of a message or remedy: `'no {a} in {b}'` has `'a' | 'b'`. */
type Placeholder<Text extends string> = Text extends `${string}{${infer Name}}${infer Rest}`
  ? Name | Placeholder<Rest>
  : never;

/** What must be given so that message and remedy of the error `Code` have no gap. */
export type DetailsOf<Code extends ErrorCode> = ErrorDetails &
  Readonly<
    Record<
      Placeholder<(typeof CATALOG)[Code]['message'] | (typeof CATALOG)[Code]['remedy']>,
      string | number | bigint | boolean
    >
  >;

/** An error of the catalogue, ready to be thrown; `cause` is kept. */
export function fault<Code extends ErrorCode>(
  code: Code,
  ...[details = {}, cause]: Partial<DetailsOf<Code>> extends DetailsOf<Code>
    ? [details?: ErrorDetails, cause?: unknown]
    : [details: DetailsOf<Code>, cause?: unknown]
): TidemarkError {
  return new TidemarkError(code, CATALOG[code], details, cause);
}

/** Whether `error` is the catalogue's error `code`. */
export function isFault(error: unknown, code: ErrorCode): error is TidemarkError {
  return error instanceof TidemarkError && error.code === code;
}
