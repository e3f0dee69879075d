import type { SqlJson, SqlStream } from '../infra/core/duckdb.ts';

/**
 * An answer as text, piece by piece: memory does not grow with the rows. Integers and decimals keep
 * all their digits: as JSON they are number literals, inside nested values strings.
 */
export type SqlFormat = 'table' | 'json' | 'csv';

/** Rows that decide the widths of the table's columns; later ones may stand out. */
const SAMPLE_ROWS = 1_000;

/** `json`: one array of objects, a row a line. `csv`: RFC 4180 with a header; NULL is empty, '' is "". */
export function formatAnswer(answer: SqlStream, format: SqlFormat): AsyncIterable<string> {
  if (format === 'json') return jsonArray(answer);
  return format === 'csv' ? csvLines(answer) : alignedTable(answer);
}

// === Helpers ===

type Row = readonly SqlJson[];
type Columns = SqlStream['columns'];

/** An answer that breaks off leaves the array open, so that nobody takes it for complete. */
async function* jsonArray({ columns, chunks }: SqlStream): AsyncGenerator<string> {
  const names = columns.map(({ name }) => JSON.stringify(name));
  const spell = columns.map(({ type }) => (isNumeric(type) ? numberLiteral : spellJson));
  const objectOf = (row: Row) =>
    `{${row.map((value, i) => `${names[i]}:${(spell[i] ?? spellJson)(value)}`).join(',')}}`;
  let lead = '[';
  for await (const chunk of chunks) {
    const lines = chunk.map((row) => {
      const line = `${lead}\n${objectOf(row)}`;
      lead = ',';
      return line;
    });
    yield lines.join('');
  }
  yield lead === '[' ? '[]\n' : '\n]\n';
}

async function* csvLines({ columns, chunks }: SqlStream): AsyncGenerator<string> {
  yield `${columns.map(({ name }) => csvField(name)).join(',')}\r\n`;
  for await (const chunk of chunks) {
    yield chunk.map((row) => `${row.map(csvField).join(',')}\r\n`).join('');
  }
}

async function* alignedTable({ columns, chunks }: SqlStream): AsyncGenerator<string> {
  const sample: string[][] = [];
  let widths: readonly number[] | undefined;
  const lines = (rows: readonly (readonly string[])[], of: readonly number[]) =>
    rows.map((row) => `${alignRow(row, columns, of)}\n`).join('');
  for await (const chunk of chunks) {
    const rows = chunk.map((row) => row.map(tableCell));
    if (widths !== undefined) {
      yield lines(rows, widths);
      continue;
    }
    sample.push(...rows);
    if (sample.length < SAMPLE_ROWS) continue;
    widths = widthsOf(columns, sample);
    yield header(columns, widths) + lines(sample, widths);
  }
  if (widths === undefined) {
    const all = widthsOf(columns, sample);
    yield header(columns, all) + lines(sample, all);
  }
}

function header(columns: Columns, widths: readonly number[]): string {
  const names = alignRow(
    columns.map(({ name }) => visible(name)),
    columns,
    widths,
  );
  return `${names}\n${widths.map((width) => '-'.repeat(width)).join('  ')}\n`;
}

function widthsOf(columns: Columns, rows: readonly (readonly string[])[]): number[] {
  return columns.map(({ name }, i) => rows.reduce((w, row) => Math.max(w, row[i]?.length ?? 0), name.length));
}

function alignRow(row: readonly string[], columns: Columns, widths: readonly number[]): string {
  return row
    .map((cell, i) => {
      const width = widths[i] ?? 0;
      return isNumeric(columns[i]?.type ?? '') ? cell.padStart(width) : cell.padEnd(width);
    })
    .join('  ')
    .trimEnd();
}

function isNumeric(type: string): boolean {
  return /^(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|FLOAT|DOUBLE|DECIMAL\(.*\))$/.test(type);
}

function tableCell(value: SqlJson): string {
  if (value === null) return 'NULL';
  return visible(typeof value === 'object' ? JSON.stringify(value) : String(value));
}

/** Control characters escaped: one row stays one line, and data cannot steer a terminal. */
function visible(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters that must not pass
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, (char) => {
    if (char === '\n') return '\\n';
    if (char === '\t') return '\\t';
    return `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
}

function csvField(value: SqlJson): string {
  if (value === null) return '';
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
  return text === '' || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function spellJson(value: SqlJson): string {
  return JSON.stringify(value);
}

/** NaN and the infinities have no literal in JSON: they stay strings. */
function numberLiteral(value: SqlJson): string {
  if (typeof value === 'string' && /^-?\d+(\.\d+)?$/.test(value)) return value;
  return JSON.stringify(value);
}
