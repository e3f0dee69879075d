/** Whole numbers of SQL as doubles, by the steps that the stream takes. Pure; no I/O. */

/** A HUGEINT as a double. */
export function signedWideSql(whole: string): string {
  return `case when ${whole} < 0 then -${wideSql(`(-${whole})`)} else ${wideSql(whole)} end`;
}

/** √((n·Σx² − (Σx)²) / (n·(n − 1))) of HUGEINTs: the difference is exact; null of fewer than two. */
export function deviationSql(n: string, sum: string, squares: string): string {
  const spread = `(${n} * ${squares} - ${sum} * ${sum})`;
  return `case when ${n} > 1 then sqrt(${wideSql(spread)} / cast(${n} * (${n} - 1) as double)) end`;
}

// === Helpers ===

const MAX_BIGINT = '9223372036854775807';
const WIDE = '18446744073709551616::hugeint';

/** Of at least 0: both halves of 64 bits rounded, then their sum. Most are small, and spared a slow division. */
function wideSql(whole: string): string {
  const halves = `cast(cast(${whole} // ${WIDE} as bigint) as double) * 18446744073709551616e0 + cast(cast(${whole} % ${WIDE} as ubigint) as double)`;
  return `(case when ${whole} <= ${MAX_BIGINT} then cast(cast(${whole} as bigint) as double) else ${halves} end)`;
}
