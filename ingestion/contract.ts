/**
 * A contract: what a topic's records look like, who they are about, when they happened and which
 * records are bad. The vocabulary of types is Avro's; how JSON spells them stands beside each.
 */
export type FieldType =
  /** JSON string. */
  | 'string'
  /** JSON integer within ±2^31. */
  | 'int'
  /** JSON integer within ±2^53. */
  | 'long'
  /** JSON number, finite. */
  | 'double'
  | 'boolean'
  /** ISO-8601 string with `Z` or an offset, at most microseconds. */
  | 'timestamp-micros'
  /** JSON number whose decimal text fits precision and scale exactly; precision ≤ 15. */
  | { readonly type: 'decimal'; readonly precision: number; readonly scale: number }
  | { readonly type: 'array'; readonly items: FieldType }
  | { readonly type: 'record'; readonly fields: readonly ContractField[] };

export interface ContractField {
  readonly name: string;
  readonly type: FieldType;
  /** May be absent or null. Fields are required otherwise. */
  readonly optional?: true;
  readonly doc: string;
}

/** A rule on one top-level field; an absent optional field breaks none. Bounds are inclusive. */
export interface ContractRule {
  /** Stable name, used as the detail of the bad record's error. */
  readonly name: string;
  readonly field: string;
  readonly check:
    | { readonly min?: number; readonly max?: number }
    | { readonly minLength?: number; readonly maxLength?: number }
    | { readonly oneOf: readonly string[] }
    | { readonly pattern: string };
}

export interface Contract {
  readonly topic: string;
  /** Table of the lake that holds every record of the topic: `bronze.<name>`. */
  readonly table: string;
  /** Raised with each change; written to `_schema_id`. */
  readonly version: number;
  readonly doc: string;
  readonly fields: readonly ContractField[];
  /** The field that the record's key must equal. */
  readonly key: string;
  /** The field that says when it happened, of type `timestamp-micros`. */
  readonly eventTime: string;
  /** A record older than this at its arrival is bad, in milliseconds. */
  readonly maxAgeMs: number;
  readonly rules: readonly ContractRule[];
  /** Partitions of the topic when Tidemark creates it, and of history landed from files. */
  readonly partitions: number;
  /**
   * The field that says which record this one answers: `<topic>:<topic id>:<partition>:<offset>`. The
   * commit that holds the rows then also says how far each answered partition is (`answeredAppId`).
   */
  readonly answers?: string;
}
