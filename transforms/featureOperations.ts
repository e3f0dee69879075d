/**
 * Every operation of feature expressions, in SQL and in the stream, side by side. Both compute with IEEE
 * doubles by + − × ÷ and √ only, in the same order, so that they agree in every bit: `ln` and `sin` of two
 * libraries do not. Missing is NULL here and NaN there; truth is 1 or 0. Pure; no I/O.
 */
export type ValueType = 'number' | 'truth' | 'text';

/** Gives a value of one row: inputs first, then features; see `FeatureSet`. */
export type Evaluate = (row: Float64Array) => number;

export interface Operation {
  /** Lists of argument types that it takes. */
  readonly takes: readonly (readonly ValueType[])[];
  readonly gives: ValueType;
  readonly sql: (...args: string[]) => string;
  readonly run: (...args: number[]) => number;
}

/** The largest float32: what is larger is missing in a vector. */
export const MAX_FLOAT32 = 3.4028234663852886e38;

/** `value` as a literal of type DOUBLE. */
export function sqlDouble(value: number): string {
  const text = String(value);
  return text.includes('e') ? text : `${text}e0`;
}

export const OPERATIONS: ReadonlyMap<string, Operation> = new Map<string, Operation>([
  ['+', arithmetic('+', (a, b) => a + b)],
  ['-', arithmetic('-', (a, b) => a - b)],
  ['*', arithmetic('*', (a, b) => a * b)],
  [
    '/',
    numeric(
      2,
      (a, b) => `(${a} / nullif(${b}, 0))`,
      (a, b) => (b === 0 ? Number.NaN : a / b),
    ),
  ],
  [
    '%',
    numeric(
      2,
      (a, b) => `(${a} % nullif(${b}, 0))`,
      (a, b) => (b === 0 ? Number.NaN : a % b),
    ),
  ],
  [
    'negate',
    numeric(
      1,
      (a) => `(-${a})`,
      (a) => -a,
    ),
  ],
  ['abs', numeric(1, (a) => `abs(${a})`, Math.abs)],
  ['sqrt', numeric(1, (a) => `(case when ${a} >= 0 then sqrt(${a}) end)`, Math.sqrt)],
  [
    'larger',
    numeric(2, (a, b) => `(case when ${a} >= ${b} then ${a} when ${a} < ${b} then ${b} end)`, larger),
  ],
  ['ln_whole', numeric(1, lnWholeSql, lnWhole)],
  [
    'sin24',
    numeric(
      1,
      (a) => tableSql(SIN24, a),
      (a) => SIN24[a] ?? Number.NaN,
    ),
  ],
  [
    'cos24',
    numeric(
      1,
      (a) => tableSql(COS24, a),
      (a) => COS24[a] ?? Number.NaN,
    ),
  ],
  ['<', comparison('<', (a, b) => a < b)],
  ['<=', comparison('<=', (a, b) => a <= b)],
  ['>', comparison('>', (a, b) => a > b)],
  ['>=', comparison('>=', (a, b) => a >= b)],
  ['=', { ...comparison('=', (a, b) => a === b), takes: ALIKE() }],
  ['<>', { ...comparison('<>', (a, b) => a !== b), takes: ALIKE() }],
  [
    'and',
    logic(
      2,
      (a, b) => `(${a} and ${b})`,
      (a, b) => (a === 0 || b === 0 ? 0 : a * b),
    ),
  ],
  [
    'or',
    logic(
      2,
      (a, b) => `(${a} or ${b})`,
      (a, b) => (a === 1 || b === 1 ? 1 : a + b),
    ),
  ],
  [
    'not',
    logic(
      1,
      (a) => `(not ${a})`,
      (a) => 1 - a,
    ),
  ],
  [
    'if',
    {
      takes: [['truth', 'number', 'number']],
      gives: 'number',
      sql: (test, yes, no) => `(case when ${test} then ${yes} else ${no} end)`,
      run: (test, yes, no) => (test === 1 ? yes : no) as number,
    },
  ],
  [
    'is_missing',
    {
      takes: [['number'], ['truth'], ['text']],
      gives: 'truth',
      sql: (a) => `(${a} is null)`,
      run: (a) => (Number.isNaN(a) ? 1 : 0),
    },
  ],
]);

// === Helpers ===

function ALIKE(): readonly (readonly ValueType[])[] {
  return [
    ['number', 'number'],
    ['text', 'text'],
  ];
}

function numeric(arity: 1 | 2, sql: Operation['sql'], run: (a: number, b: number) => number): Operation {
  return {
    takes: [arity === 1 ? ['number'] : ['number', 'number']],
    gives: 'number',
    sql,
    run: run as Operation['run'],
  };
}

function arithmetic(sign: string, run: (a: number, b: number) => number): Operation {
  return numeric(2, (a, b) => `(${a} ${sign} ${b})`, run);
}

function comparison(sign: string, holds: (a: number, b: number) => boolean): Operation {
  return {
    takes: [['number', 'number']],
    gives: 'truth',
    sql: (a, b) => `(${a} ${sign} ${b})`,
    run: (a = 0, b = 0) => (Number.isNaN(a) || Number.isNaN(b) ? Number.NaN : holds(a, b) ? 1 : 0),
  };
}

function logic(arity: 1 | 2, sql: Operation['sql'], run: (a: number, b: number) => number): Operation {
  return {
    takes: [arity === 1 ? ['truth'] : ['truth', 'truth']],
    gives: 'truth',
    sql,
    run: run as Operation['run'],
  };
}

function larger(a: number, b: number): number {
  if (a >= b) return a;
  return a < b ? b : Number.NaN;
}

/** Sines of 24ths of a circle. */
const SIN24 = circle(Math.sin);
const COS24 = circle(Math.cos);

/** Fifteen digits, so that libraries agree about them and a sine of half a circle is 0. */
function circle(wave: (angle: number) => number): readonly number[] {
  return Array.from({ length: 24 }, (_, i) => Math.round(wave((i * Math.PI) / 12) * 1e15) / 1e15 + 0);
}

function tableSql(table: readonly number[], index: string): string {
  const known = `${index} between 0 and ${table.length - 1} and ${index} = floor(${index})`;
  return `(case when ${known} then [${table.map(sqlDouble).join(', ')}][cast(${index} as integer) + 1] end)`;
}

/** 1, 1/3, 1/5 …: ln((1 + s) / (1 − s)) = 2s · Σ s^2i / (2i + 1); s ≤ 1/3 needs 16 terms for a double. */
const LN_TERMS = Array.from({ length: 16 }, (_, i) => 1 / (2 * i + 1));

/** ln of a whole number ≥ 1, as k · ln 2 + ln m with m in [1, 2); exactly 0 for 1. */
function lnWhole(x: number): number {
  if (!(x >= 1) || x > Number.MAX_SAFE_INTEGER || Math.floor(x) !== x) return Number.NaN;
  const k = bitLength(x) - 1;
  const m = x / 2 ** k;
  const s = (m - 1) / (m + 1);
  const z = s * s;
  let sum = 0;
  for (let i = LN_TERMS.length - 1; i >= 0; i -= 1) sum = sum * z + (LN_TERMS[i] as number);
  return k * Math.LN2 + s * 2 * sum;
}

function bitLength(x: number): number {
  const high = Math.floor(x / 2 ** 32);
  return high > 0 ? 64 - Math.clz32(high) : 32 - Math.clz32(x);
}

/** The same steps; lambdas name what is used twice. */
function lnWholeSql(x = ''): string {
  const bound = (value: string, name: string, body: string) =>
    `list_transform([${value}], lambda ${name}: ${body})[1]`;
  const sum = LN_TERMS.toReversed().reduce((inner, term) => `(${inner} * ln_z + ${sqlDouble(term)})`, '0e0');
  const k = '(length(bin(cast(ln_x as bigint))) - 1)';
  const m = 'ln_m';
  const series = bound(
    `(${m} - 1e0) / (${m} + 1e0)`,
    'ln_s',
    `ln_s * 2e0 * ${bound('ln_s * ln_s', 'ln_z', sum)}`,
  );
  const ofWhole = `cast(${k} as double) * ${sqlDouble(Math.LN2)} + ${bound(`ln_x / cast(1::bigint << ${k} as double)`, m, series)}`;
  const isWhole = `ln_x >= 1 and ln_x <= ${Number.MAX_SAFE_INTEGER} and ln_x = floor(ln_x)`;
  return bound(x, 'ln_x', `case when ${isWhole} then ${ofWhole} end`);
}
