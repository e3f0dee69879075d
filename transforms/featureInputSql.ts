import { sqlName, sqlText } from '../infra/core/duckdb.ts';
import type { FeatureInput, WholeInput } from './feature.ts';
import { sqlDouble } from './featureOperations.ts';
import type { ResolvedSource } from './featureSource.ts';

/**
 * The inputs of a source in SQL, as `compileInputs` reads them: text as VARCHAR, `number` as DOUBLE, whole
 * numbers as BIGINT, missing as NULL. Pure; no I/O.
 */
export function inputColumns(set: Pick<ResolvedSource, 'inputs' | 'rates'>): string[] {
  return set.inputs.flatMap(({ name, input }) => {
    if (input.kind !== 'exchanged') return [`${inputSql(input)} as ${sqlName(name)}`];
    const rates = [...(set.rates.get(name) ?? [])];
    const pick = (part: 'numerator' | 'denominator') =>
      rates.map(([by, rate]) => `when ${sqlText(by)} then ${rate[part]}`).join(' ');
    return [
      `cast(${wholeSql(input.of)} as hugeint) as ${sqlName(`${name} whole`)}`,
      `case ${path(input.by)} ${pick('numerator')} end as ${sqlName(`${name} numerator`)}`,
      `case ${path(input.by)} ${pick('denominator')} end as ${sqlName(`${name} denominator`)}`,
    ];
  });
}

/** What takes the columns of exchanged inputs to their value: of `select * replace…`. */
export function exchangedColumns(set: Pick<ResolvedSource, 'inputs'>): {
  readonly drop: string[];
  readonly make: string[];
} {
  const exchanged = set.inputs.filter(({ input }) => input.kind === 'exchanged').map(({ name }) => name);
  return {
    drop: exchanged.flatMap((name) =>
      ['whole', 'numerator', 'denominator'].map((part) => sqlName(`${name} ${part}`)),
    ),
    make: exchanged.map((name) => `${exchangeSql(name)} as ${sqlName(name)}`),
  };
}

// === Helpers ===

function inputSql(input: Exclude<FeatureInput, { kind: 'exchanged' }>): string {
  if (input.kind === 'text') return path(input.field);
  if (input.kind === 'number') return `cast(${path(input.field)} as double)`;
  return wholeSql(input);
}

/** A dotted path: a column, then members of structs. */
function path(field: string): string {
  return field.split('.').map(sqlName).join('.');
}

function wholeSql(input: WholeInput): string {
  if (input.kind === 'whole') return bounded(scaled(path(input.field), input.scale));
  const part = `cast(${scaled(`item.${sqlName(input.each)}`, input.scale)} as hugeint)`;
  const parts = `list_transform(${path(input.field)}, lambda item: ${part} * item.${sqlName(input.times)})`;
  return bounded(`list_sum(${parts})`);
}

/** The same steps in doubles as in the stream. */
function scaled(value: string, scale: number): string {
  return `floor(cast(${value} as double) * ${sqlDouble(10 ** scale)} + 0.5e0)`;
}

function bounded(value: string): string {
  return `case when abs(${value}) <= ${Number.MAX_SAFE_INTEGER} then cast(${value} as bigint) end`;
}

/** Rounded half to even. */
function exchangeSql(name: string): string {
  const [whole, numerator, denominator] = ['whole', 'numerator', 'denominator'].map((part) =>
    sqlName(`${name} ${part}`),
  );
  const product = `abs(${whole}) * ${numerator}`;
  const [floor, rest] = [`(${product}) // ${denominator}`, `(${product}) % ${denominator} * 2`];
  const up = `case when ${rest} > ${denominator} or (${rest} = ${denominator} and ${floor} % 2 = 1) then 1 else 0 end`;
  return bounded(`sign(${whole}) * (${floor} + ${up})`);
}
