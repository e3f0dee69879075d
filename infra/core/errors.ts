/**
 * Errors as data: each error of Tidemark is an entry of one catalogue (`errorCatalog.ts`) with a
 * stable code, the domain that has to act, a retry hint and the next thing to do.
 */

/** Who has to act: the person who gave the input, the world outside, or we who wrote the code. */
export type ErrorDomain = 'user' | 'external' | 'internal';

/** `never`: the same call fails again. `backoff`: it may pass later. `replan`: re-read, decide again. */
export type RetryHint = 'never' | 'backoff' | 'replan';

export interface ErrorDefinition {
  readonly domain: ErrorDomain;
  readonly retry: RetryHint;
  /** Message with `{name}` placeholders that are filled from the details. */
  readonly message: string;
  /** What to do next, with the same placeholders. */
  readonly remedy: string;
}

export type ErrorDetails = Readonly<Record<string, string | number | bigint | boolean | undefined>>;

/** The one error class: everything that distinguishes errors is in its fields. */
export class TidemarkError extends Error {
  readonly code: string;
  readonly domain: ErrorDomain;
  readonly retry: RetryHint;
  readonly remedy: string;
  readonly details: ErrorDetails;

  constructor(code: string, definition: ErrorDefinition, details: ErrorDetails, cause: unknown) {
    super(fill(definition.message, details), cause === undefined ? undefined : { cause });
    this.name = 'TidemarkError';
    this.code = code;
    this.domain = definition.domain;
    this.retry = definition.retry;
    this.remedy = fill(definition.remedy, details);
    this.details = details;
  }
}

/** What is known about any thrown value. Never throws; an unknown error is internal and not retried. */
export function classifyError(error: unknown): {
  code: string;
  domain: ErrorDomain;
  retry: RetryHint;
  message: string;
  remedy: string | undefined;
} {
  if (error instanceof TidemarkError) {
    const { code, domain, retry, message, remedy } = error;
    return { code, domain, retry, message, remedy };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { code: 'INTERNAL', domain: 'internal', retry: 'never', message, remedy: undefined };
}

// === Helpers ===

function fill(template: string, details: ErrorDetails): string {
  return template.replace(/\{(\w+)\}/g, (whole, name: string) =>
    details[name] === undefined ? whole : String(details[name]),
  );
}
