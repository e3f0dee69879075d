import type { ErrorDefinition } from './errors.ts';

/** The part of the error catalogue that belongs to ingestion; see `errorCatalog.ts`. */
export const INGESTION_ERRORS = {
  CONTRACT_INVALID: {
    domain: 'user',
    retry: 'never',
    message: 'the contract of topic {topic} is not valid: {problems}',
    remedy: 'correct the contract and start again',
  },
  CONTRACT_OUTDATED: {
    domain: 'user',
    retry: 'never',
    message:
      'table {table} is at version {inForce} of the contract of {topic}, this process has version {version}',
    remedy: 'start this process with the newer contract of {topic}',
  },
  HISTORY_AFTER_LIVE: {
    domain: 'user',
    retry: 'never',
    message:
      'rows of {path} arrived up to {last}, but the first live record of topic {topic} arrived at {first}: they are not history',
    remedy: 'keep only rows that arrived before {first}',
  },
  HISTORY_FILE_INVALID: {
    domain: 'user',
    retry: 'never',
    message: 'no history can be read from {path}: {detail}',
    remedy:
      'give a Parquet or NDJSON file with columns key, value (the JSON text) and arrived_at (a timestamp)',
  },
  HISTORY_IN_FUTURE: {
    domain: 'user',
    retry: 'never',
    message: 'rows of {path} arrive up to {last}, which is in the future',
    remedy: 'keep only rows that have arrived',
  },
  HISTORY_RENUMBERED: {
    domain: 'user',
    retry: 'never',
    message:
      'rows of {path} that landed in {table} have other partitions or offsets now, and would land twice',
    remedy:
      'give the contract the number of partitions that it had when the file landed first, and call again',
  },
  LANDING_LOG_TRUNCATED: {
    domain: 'external',
    retry: 'never',
    message:
      'partition {partition} of topic {topic} ends at offset {logEnd}, but records up to {next} have landed: its log was cut off',
    remedy:
      'offsets below {next} are used up: delete and create topic {topic}, then run ./tidemark topics adopt {topic}',
  },
  LANDING_PARTITIONS_CHANGED: {
    domain: 'external',
    retry: 'never',
    message: 'topic {topic} had {partitions} partitions, now it has {now}: keys moved to other partitions',
    remedy: 'set partitions: {now} in the contract of {topic} and start again',
  },
  LANDING_RETENTION_OVERTOOK: {
    domain: 'external',
    retry: 'never',
    message:
      'partition {partition} of topic {topic} starts at offset {logStart}, but only records up to {next} have landed: Kafka removed the rest',
    remedy: 'accept the loss of offsets {next} to {logStart} with ./tidemark topics adopt {topic}',
  },
  LANDING_ROWS_DIFFER: {
    domain: 'internal',
    retry: 'never',
    message: '{lines} lines gave {rows} rows for {table}: decoder and reader disagree',
    remedy: 'nothing was committed to {table}; report it with the log',
  },
  LANDING_STALLED: {
    domain: 'external',
    retry: 'backoff',
    message: 'topic {topic} has {lag} records to read, but none came for {seconds} s: the client is stuck',
    remedy: 'the process ends so that it is started again; if it comes back, look at the broker of {topic}',
  },
  LANDING_TOPIC_BUSY: {
    domain: 'external',
    retry: 'replan',
    message: 'topic {topic} is being landed while it is adopted',
    remedy: 'stop landing of {topic}, or try again',
  },
  LANDING_TOPIC_GONE: {
    domain: 'external',
    retry: 'never',
    message: 'topic {topic} (id {topicId}) was deleted',
    remedy: 'create it again, then run ./tidemark topics adopt {topic}; what has landed stays',
  },
  LANDING_TOPIC_RECREATED: {
    domain: 'external',
    retry: 'never',
    message: 'topic {topic} was deleted and created again: it was {topicId}, now it is {now}',
    remedy: 'land the new topic behind the old one with ./tidemark topics adopt {topic}',
  },
  TOPIC_UNKNOWN: {
    domain: 'user',
    retry: 'never',
    message: 'there is no contract of topic {topic}; there are {topics}',
    remedy: 'name one of {topics}, or add a contract',
  },
} as const satisfies Record<string, ErrorDefinition>;
