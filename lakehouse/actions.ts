import { z } from 'zod';
import { fault } from '../infra/core/errorCatalog.ts';

/** The actions of the Delta log that Tidemark reads and writes, spelled as in the protocol. */
const stringMap = z.record(z.string(), z.string());
const partitionValuesSchema = z.record(z.string(), z.string().nullable());

const protocolSchema = z.object({
  minReaderVersion: z.number().int(),
  minWriterVersion: z.number().int(),
  readerFeatures: z.array(z.string()).nullish(),
  writerFeatures: z.array(z.string()).nullish(),
});

const metaDataSchema = z.object({
  id: z.string(),
  name: z.string().nullish(),
  description: z.string().nullish(),
  format: z.object({ provider: z.string(), options: stringMap.nullish() }),
  schemaString: z.string(),
  partitionColumns: z.array(z.string()),
  createdTime: z.number().nullish(),
  configuration: stringMap.nullish(),
});

const addSchema = z.object({
  path: z.string(),
  partitionValues: partitionValuesSchema.nullish().transform((values) => values ?? {}),
  size: z.number(),
  modificationTime: z.number(),
  dataChange: z.boolean(),
  stats: z.string().nullish(),
  tags: stringMap.nullish(),
});

const removeSchema = z.object({
  path: z.string(),
  deletionTimestamp: z.number().nullish(),
  dataChange: z.boolean().default(true),
  extendedFileMetadata: z.boolean().nullish(),
  partitionValues: partitionValuesSchema.nullish(),
  size: z.number().nullish(),
});

const txnSchema = z.object({
  appId: z.string(),
  version: z.number(),
  lastUpdated: z.number().nullish(),
});

const domainMetadataSchema = z.object({
  domain: z.string(),
  configuration: z.string(),
  removed: z.boolean(),
});

const commitInfoSchema = z.looseObject({
  timestamp: z.number().nullish(),
  operation: z.string().nullish(),
  operationParameters: z.record(z.string(), z.unknown()).nullish(),
  operationMetrics: stringMap.nullish(),
  readVersion: z.number().nullish(),
  isBlindAppend: z.boolean().nullish(),
  engineInfo: z.string().nullish(),
  txnId: z.string().nullish(),
  userMetadata: z.string().nullish(),
});

export type Protocol = Readonly<z.infer<typeof protocolSchema>>;
export type MetaData = Readonly<z.infer<typeof metaDataSchema>>;
/** A live file: `path` relative to the table and percent-encoded, `size` in bytes, `stats` JSON text. */
export type AddFile = Readonly<z.infer<typeof addSchema>>;
export type RemoveFile = Readonly<z.infer<typeof removeSchema>>;
/** Progress of an application; `version` is a safe integer. */
export type Txn = Readonly<z.infer<typeof txnSchema>>;
export type DomainMetadata = Readonly<z.infer<typeof domainMetadataSchema>>;
/** Who committed and why; writers add fields of their own. */
export type CommitInfo = Readonly<z.infer<typeof commitInfoSchema>>;
export type PartitionValues = Readonly<Record<string, string | null>>;

/** One version of the log with its actions by kind. */
export interface Commit {
  readonly version: number;
  readonly commitInfo?: CommitInfo;
  readonly protocol?: Protocol;
  readonly metaData?: MetaData;
  readonly txns: readonly Txn[];
  readonly adds: readonly AddFile[];
  readonly removes: readonly RemoveFile[];
  readonly domainMetadata: readonly DomainMetadata[];
}

/** A line of the log: one action under its name; other names are ignored, as the protocol demands. */
const lineSchema = z.object({
  commitInfo: commitInfoSchema.nullish(),
  protocol: protocolSchema.nullish(),
  metaData: metaDataSchema.nullish(),
  add: addSchema.nullish(),
  remove: removeSchema.nullish(),
  txn: txnSchema.nullish(),
  domainMetadata: domainMetadataSchema.nullish(),
});

/**
 * The commit `version` from its lines of JSON. Longs beyond 2^53 are refused where we would compute
 * with them (`txn`); in statistics they stay text. Pure. @throws LAKE_LOG_CORRUPT
 */
export function parseCommit(version: number, body: Uint8Array): Commit {
  const lines = new TextDecoder().decode(body).split('\n');
  return collectActions(
    version,
    lines.filter((line) => line.trim() !== '').map((line) => parseLine(version, line)),
  );
}

/** Actions by kind, from parsed lines such as the rows of a checkpoint. @throws LAKE_LOG_CORRUPT */
export function collectActions(version: number, lines: readonly unknown[]): Commit {
  const parsed = lines.map((line) => {
    const result = lineSchema.safeParse(line);
    if (!result.success) throw corrupt(version, result.error.message, result.error);
    return result.data;
  });
  const commitInfo = parsed.findLast((line) => line.commitInfo)?.commitInfo;
  const protocol = parsed.findLast((line) => line.protocol)?.protocol;
  const metaData = parsed.findLast((line) => line.metaData)?.metaData;
  return {
    version,
    ...(commitInfo ? { commitInfo } : {}),
    ...(protocol ? { protocol } : {}),
    ...(metaData ? { metaData } : {}),
    txns: parsed.flatMap(({ txn }) => (txn ? [checkTxn(version, txn)] : [])),
    adds: parsed.flatMap(({ add }) => add ?? []),
    removes: parsed.flatMap(({ remove }) => remove ?? []),
    domainMetadata: parsed.flatMap(({ domainMetadata }) => domainMetadata ?? []),
  };
}

/** The lines of a commit, `commitInfo` first. Pure. */
export function serializeCommit(commit: Omit<Commit, 'version'>): Uint8Array {
  const { commitInfo, protocol, metaData, txns, adds, removes, domainMetadata } = commit;
  const lines: object[] = [];
  if (commitInfo) lines.push({ commitInfo });
  if (protocol) lines.push({ protocol });
  if (metaData) lines.push({ metaData });
  for (const txn of txns) lines.push({ txn });
  for (const remove of removes) lines.push({ remove });
  for (const add of adds) lines.push({ add });
  for (const domain of domainMetadata) lines.push({ domainMetadata: domain });
  return new TextEncoder().encode(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
}

/** The tombstone of a live file. Pure. */
export function removeOf(add: AddFile, options: { deletedMs: number; dataChange: boolean }): RemoveFile {
  const { path, partitionValues, size } = add;
  return {
    path,
    deletionTimestamp: options.deletedMs,
    dataChange: options.dataChange,
    extendedFileMetadata: true,
    partitionValues,
    size,
  };
}

/** `path` of an action as the key that identifies its file: decoded, `file:` spellings made one. Pure. */
export function fileKey(path: string): string {
  return decodeURIComponent(path.replace(/^file:\/*/, '/'));
}

/** Rows of the file by its statistics; undefined when it has none. Pure. */
export function rowsOf(add: AddFile): number | undefined {
  if (!add.stats) return undefined;
  const rows = /"numRecords"\s*:\s*(\d+)/.exec(add.stats);
  return rows === null ? undefined : Number(rows[1]);
}

// === Helpers ===

function parseLine(version: number, line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (error) {
    throw corrupt(version, `not JSON: ${line.slice(0, 80)}`, error);
  }
}

function checkTxn(version: number, txn: Txn): Txn {
  if (Number.isSafeInteger(txn.version)) return txn;
  throw corrupt(version, `txn ${txn.appId} has version ${txn.version}, beyond the exact integers`);
}

function corrupt(version: number, detail: string, cause?: unknown) {
  return fault('LAKE_LOG_CORRUPT', { version, detail }, cause);
}
