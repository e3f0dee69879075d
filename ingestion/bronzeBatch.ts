import type { KafkaHeaders } from '../infra/core/kafkaGroup.ts';
import { headersSize } from '../infra/core/kafkaHeaders.ts';
import { Answered } from './answered.ts';
import type { Decoder } from './decoder.ts';
import type { BadRecord } from './judgement.ts';
import { FIRST_BUFFER_BYTES, type LineFile, openLineFile } from './lineFile.ts';
import { isArrival, utcDate } from './timestamp.ts';

/** A record with its place. */
export interface PlacedRecord {
  readonly partition: number;
  readonly offset: number;
  readonly arrivedAtMs: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers?: KafkaHeaders | undefined;
}

/** A bad record as it came, for the dead-letter topic. */
export interface DeadLetter extends PlacedRecord {
  readonly error: BadRecord;
}

/** Consecutive offsets of one partition in a batch. */
export interface LandedRange {
  /** The txn that must still stand when the batch is committed; undefined: none yet. */
  readonly expected: number | undefined;
  readonly from: number;
  /** Exclusive: where the next batch goes on. Gaps of the log are inside. */
  readonly to: number;
  readonly fetched: number;
  readonly good: number;
  readonly bad: number;
}

/** Rows of one arrival date. */
export interface DayOfLines {
  /** `YYYY-MM-DD`, null for records without an arrival. */
  readonly arrivalDate: string | null;
  readonly file: LineFile;
}

/** Judged records on their way into one commit: lines by day of arrival, and how far they reach. */
export class BronzeBatch implements Disposable {
  readonly startedMs: number;
  readonly ranges = new Map<number, LandedRange>();
  readonly deadLetters: DeadLetter[] = [];
  readonly answered: Answered;
  rows = 0;
  #letterBytes = 0;
  readonly #decoder: Decoder;
  readonly #scratchDir: string;
  readonly #days = new Map<string | null, DayOfLines>();
  #dayNumber = Number.NaN;
  #day: DayOfLines | undefined;

  /** @param options.answers see `Contract.answers` */
  constructor(options: {
    readonly decoder: Decoder;
    readonly scratchDir: string;
    readonly startedMs: number;
    readonly answers?: string | undefined;
  }) {
    this.#decoder = options.decoder;
    this.answered = new Answered(options.answers);
    this.#scratchDir = options.scratchDir;
    this.startedMs = options.startedMs;
  }

  /** Bytes that the batch holds, in files and in memory. */
  get bytes(): number {
    let bytes = this.#letterBytes;
    for (const { file } of this.#days.values()) bytes += Math.max(file.bytes, FIRST_BUFFER_BYTES);
    return bytes;
  }

  get days(): readonly DayOfLines[] {
    return [...this.#days.values()];
  }

  /** Judges a record and writes its line. True when it is good. hot path. */
  add(record: PlacedRecord): boolean {
    const judgement = this.#decoder.judge(record);
    const { file } = this.#dayOf(record.arrivedAtMs);
    this.rows += 1;
    if (judgement.kind === 'good') {
      file.writeMerged(headOf(record, judgement.rescued), judgement.json);
      this.answered.add(judgement);
      return true;
    }
    file.writeText(badLine(record, judgement));
    const { key, value, headers } = record;
    const copies = { key: copyOf(key), value: copyOf(value), headers: headers && copiesOf(headers) };
    this.deadLetters.push({ ...record, ...copies, error: judgement });
    this.#letterBytes += (value?.length ?? 0) + (key?.length ?? 0) + headersSize(headers) + LETTER_BYTES;
    return false;
  }

  /** The partition was read up to `to`, with these counts on top of what the batch has of it. */
  advance(partition: number, step: LandedRange): void {
    const range = this.ranges.get(partition);
    this.ranges.set(
      partition,
      range === undefined
        ? step
        : {
            ...range,
            to: step.to,
            fetched: range.fetched + step.fetched,
            good: range.good + step.good,
            bad: range.bad + step.bad,
          },
    );
  }

  [Symbol.dispose](): void {
    for (const { file } of this.#days.values()) file[Symbol.dispose]();
    this.#days.clear();
    this.#day = undefined;
    this.#dayNumber = Number.NaN;
  }

  #dayOf(arrivedAtMs: number): DayOfLines {
    const dayNumber = Math.floor(arrivedAtMs / DAY_MS);
    if (this.#day !== undefined && dayNumber === this.#dayNumber) return this.#day;
    const arrivalDate = isArrival(arrivedAtMs) ? utcDate(arrivedAtMs) : null;
    const day = this.#days.get(arrivalDate) ?? { arrivalDate, file: openLineFile(this.#scratchDir) };
    this.#days.set(arrivalDate, day);
    this.#dayNumber = dayNumber;
    this.#day = day;
    return day;
  }
}

// === Helpers ===

const DAY_MS = 86_400_000;

/** What the objects of a dead letter take, beside its bytes. */
const LETTER_BYTES = 500;

/** The bytes of a record are views of a whole fetch, which would stay in memory with them. */
function copyOf<T extends Buffer | string | null | undefined>(bytes: T): T {
  return (Buffer.isBuffer(bytes) ? Buffer.from(bytes) : bytes) as T;
}

function copiesOf(headers: KafkaHeaders): KafkaHeaders {
  const copies = Object.entries(headers).map(([name, header]) => [
    name,
    Array.isArray(header) ? header.map(copyOf) : copyOf(header),
  ]);
  return Object.fromEntries(copies) as KafkaHeaders;
}

/** The members that a line has of itself, see `LINE_COLUMNS`; the object is left open. hot path. */
function headOf(record: PlacedRecord, rescued: string | undefined): string {
  let head = `{"_p":${record.partition},"_o":${record.offset}`;
  if (isArrival(record.arrivedAtMs)) head += `,"_t":${record.arrivedAtMs}`;
  const headers = record.headers === undefined ? undefined : headersJson(record.headers);
  if (headers !== undefined) head += `,"_h":${JSON.stringify(headers)}`;
  if (rescued !== undefined) head += `,"_x":${JSON.stringify(rescued)}`;
  return head;
}

function badLine(record: PlacedRecord, { code, stage, detail }: BadRecord): string {
  const { key, value } = record;
  const members = [`"_e":${JSON.stringify({ code, stage, detail: detail.toWellFormed() })}`];
  if (key !== null) members.push(`"_k":${JSON.stringify(key.toString('utf8'))}`);
  if (value !== null) members.push(`"_r":"${value.toString('base64')}"`);
  return `${headOf(record, undefined)},${members.join(',')}}`;
}

/** `[[key, value], …]` as JSON text; undefined when there are no headers. */
function headersJson(headers: KafkaHeaders): string | undefined {
  let pairs: [string, string | null][] | undefined;
  for (const key in headers) {
    pairs ??= [];
    const value = headers[key];
    for (const one of Array.isArray(value) ? value : [value]) {
      pairs.push([key, one === undefined || one === null ? null : one.toString('utf8')]);
    }
  }
  return pairs === undefined ? undefined : JSON.stringify(pairs);
}
