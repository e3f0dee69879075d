/**
 * Solves A x = b for a symmetric, positive definite A (row-major; only its lower triangle is read) by
 * Cholesky's decomposition. Pure; A and b stay as they are. Where A is on the edge of being singular the
 * pivot is held at a tiny positive number.
 */
export function solveSymmetric(matrix: Float64Array, right: Float64Array): Float64Array {
  const n = right.length;
  const lower = decompose(matrix, n);
  const at = (i: number, j: number) => lower[i * n + j] ?? 0;
  const x = right.slice();
  for (let i = 0; i < n; i += 1) {
    let sum = x[i] ?? 0;
    for (let k = 0; k < i; k += 1) sum -= at(i, k) * (x[k] ?? 0);
    x[i] = sum / at(i, i);
  }
  for (let i = n - 1; i >= 0; i -= 1) {
    let sum = x[i] ?? 0;
    for (let k = i + 1; k < n; k += 1) sum -= at(k, i) * (x[k] ?? 0);
    x[i] = sum / at(i, i);
  }
  return x;
}

// === Helpers ===

const SMALLEST_PIVOT = 1e-12;

function decompose(matrix: Float64Array, n: number): Float64Array {
  const lower = matrix.slice();
  const at = (i: number, j: number) => lower[i * n + j] ?? 0;
  for (let j = 0; j < n; j += 1) {
    for (let i = j; i < n; i += 1) {
      let sum = at(i, j);
      for (let k = 0; k < j; k += 1) sum -= at(i, k) * at(j, k);
      lower[i * n + j] = i === j ? Math.sqrt(Math.max(sum, SMALLEST_PIVOT)) : sum / at(j, j);
    }
  }
  return lower;
}
