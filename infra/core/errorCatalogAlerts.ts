import type { ErrorDefinition } from './errors.ts';

/** The part of the error catalogue that belongs to PostgreSQL and alerts; see `errorCatalog.ts`. */
export const ALERT_ERRORS = {
  ALERTS_LOG_CHANGED: {
    domain: 'external',
    retry: 'never',
    message:
      'partition {partition} of topic {topic} holds offsets {logStart} to {logEnd}, but alerts have come to {next}: records are gone',
    remedy: 'accept that with ./tidemark alerts adopt; decisions that Kafka lost are in {table}',
  },
  ALERTS_TOPIC_RECREATED: {
    domain: 'external',
    retry: 'never',
    message: 'topic {topic} is not the one that alerts are made from: its id was {topicId}, now it is {now}',
    remedy: 'if that is intended, run ./tidemark alerts adopt: alerts go on at the start of the new topic',
  },
  ALERT_EVENT_UNKNOWN: {
    domain: 'user',
    retry: 'never',
    message: 'alert {alert} has no event {event} among those that it keeps',
    remedy: 'look at its events with ./tidemark alerts show {alert}',
  },
  ALERT_NEEDS_EVENT: {
    domain: 'user',
    retry: 'never',
    message: 'alert {alert} gathers records of many keys that no model decided: one verdict cannot fit all',
    remedy: 'name one with --event, or close the alert without labels: ./tidemark alerts close {alert}',
  },
  ALERT_UNKNOWN: {
    domain: 'user',
    retry: 'never',
    message: 'there is no alert {alert}',
    remedy: 'list them with ./tidemark alerts list --state all',
  },
  POSTGRES_MIGRATION_CHANGED: {
    domain: 'internal',
    retry: 'never',
    message: 'migration {name} was applied with another text than it has now',
    remedy: 'restore the file of {name}; a change of the tables is a new migration',
  },
  POSTGRES_SCHEMA_NEWER: {
    domain: 'user',
    retry: 'never',
    message: 'the tables in PostgreSQL are at migration {applied}, this version knows {known}',
    remedy: 'use the version of Tidemark that migrated them, or a newer one',
  },
  POSTGRES_UNAVAILABLE: {
    domain: 'external',
    retry: 'backoff',
    message: 'PostgreSQL at {host} did not answer: {detail}',
    remedy: 'start it with make up, or check TIDEMARK_POSTGRES_URL or TIDEMARK_POSTGRES_PORT',
  },
  VERDICT_LABEL_INVALID: {
    domain: 'internal',
    retry: 'never',
    message: 'the label of event {event} would break its contract: {detail}',
    remedy: 'nothing was written; report it with the event',
  },
  VERDICT_TYPE_INVALID: {
    domain: 'user',
    retry: 'never',
    message: "'{type}' is no type for the verdict {verdict}",
    remedy: 'fraud may have one of: {types}; other verdicts have none',
  },
} as const satisfies Record<string, ErrorDefinition>;
