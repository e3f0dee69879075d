import type { AddFile, PartitionValues } from './actions.ts';
import { type DeltaType, duckdbType } from './schema.ts';
import type { Snapshot } from './snapshot.ts';

/** Bounds on one column, inclusive; as text in the spelling of partition values and statistics. */
export interface ColumnRange {
  readonly min?: string;
  readonly max?: string;
}

/**
 * The live files that may hold a row within all ranges: by partition value, then by statistics. A file
 * stays unless it provably holds none; a null is in no range. Pure.
 */
export function pruneFiles(
  snapshot: Snapshot,
  ranges: Readonly<Record<string, ColumnRange>>,
  files: Iterable<AddFile> = snapshot.files.values(),
): AddFile[] {
  const tests = Object.entries(ranges).map(([name, range]) => columnTest(snapshot, name, range));
  return [...files].filter((add) => {
    const stats = parseStats(add);
    return tests.every((mayMatch) => mayMatch(add, stats));
  });
}

/** The live files of these partitions; a partition may name some of the partition columns. Pure. */
export function filesOfPartitions(snapshot: Snapshot, partitions: readonly PartitionValues[]): AddFile[] {
  return [...snapshot.files.values()].filter((add) =>
    partitions.some((values) =>
      Object.entries(values).every(([name, value]) => (add.partitionValues[name] ?? null) === value),
    ),
  );
}

// === Helpers ===

/** Numbers stay text: longs and decimals lose no digit. */
interface FileStats {
  readonly numRecords?: string;
  readonly minValues?: Readonly<Record<string, unknown>>;
  readonly maxValues?: Readonly<Record<string, unknown>>;
  readonly nullCount?: Readonly<Record<string, unknown>>;
}

type MayMatch = (add: AddFile, stats: FileStats | undefined) => boolean;
type Compare = (a: string, b: string) => number;

function columnTest(snapshot: Snapshot, name: string, range: ColumnRange): MayMatch {
  const column = snapshot.schema.find((f) => f.name === name);
  if (column === undefined) return () => true;
  const compare = comparison(column.type);
  if (snapshot.partitionColumns.includes(name)) {
    return (add) => {
      const value = add.partitionValues[name];
      if (value === null || value === undefined || value === '') return false;
      return isWithin(compare, range, { low: value, high: value });
    };
  }
  return (_, stats) => {
    if (stats === undefined) return true;
    const nulls = stats.nullCount?.[name];
    if (nulls !== undefined && nulls === stats.numRecords) return false;
    const [low, high] = [stats.minValues?.[name], stats.maxValues?.[name]];
    if (typeof low !== 'string' || typeof high !== 'string') return true;
    return isWithin(compare, range, { low, high: column.type === 'timestamp' ? plusOneMs(high) : high });
  };
}

function isWithin(compare: Compare, range: ColumnRange, values: { low: string; high: string }): boolean {
  if (range.min !== undefined && compare(values.high, range.min) < 0) return false;
  return range.max === undefined || compare(values.low, range.max) <= 0;
}

function comparison(type: DeltaType): Compare {
  const name = duckdbType(type);
  if (/^(BIGINT|INTEGER|SMALLINT|TINYINT)$/.test(name)) return (a, b) => sign(BigInt(a), BigInt(b));
  if (/^(DOUBLE|FLOAT)$/.test(name)) return (a, b) => Number(a) - Number(b);
  if (name.startsWith('DECIMAL')) return compareDecimals;
  if (name.startsWith('TIMESTAMP')) return (a, b) => sign(instantMicros(a), instantMicros(b));
  return (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b));
}

function sign(a: bigint, b: bigint): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

function compareDecimals(a: string, b: string): number {
  const scale = Math.max(fraction(a).length, fraction(b).length);
  const scaled = (text: string) => BigInt(text.replace(/\..*$/, '') + fraction(text).padEnd(scale, '0'));
  return sign(scaled(a), scaled(b));
}

function fraction(text: string): string {
  return text.split('.')[1] ?? '';
}

/** Microseconds since 1970 of an ISO instant; digits beyond milliseconds are added exactly. */
function instantMicros(text: string): bigint {
  const match = /^(.*?)(?:\.(\d+))?(Z|[+-]\d\d:?\d\d)?$/.exec(text.replace(' ', 'T'));
  const seconds = Date.parse(`${match?.[1]}${match?.[3] ?? 'Z'}`);
  return BigInt(seconds) * 1_000n + BigInt((match?.[2] ?? '').padEnd(6, '0').slice(0, 6));
}

/** Other writers cut the maximum of a time down to milliseconds. */
function plusOneMs(text: string): string {
  const micros = instantMicros(text) + 1_000n;
  const iso = new Date(Number(micros / 1_000n)).toISOString();
  return `${iso.slice(0, -1)}${String(micros % 1_000n).padStart(3, '0')}Z`;
}

/** Absent or odd statistics prune nothing. */
function parseStats(add: AddFile): FileStats | undefined {
  if (!add.stats) return undefined;
  const parsed: unknown = JSON.parse(add.stats, function textNumbers(_key, value, context) {
    return typeof value === 'number' ? context.source : value;
  });
  return typeof parsed === 'object' && parsed !== null ? parsed : undefined;
}
