/** Two small least-squares problems in float64: as many unknowns as a network's input has channels or columns. */

/** Rows of a matrix, or a vector. */
type Rows = readonly Float64Array[];

/**
 * The x with the least ‖A·x − b‖² + λ‖x‖², by way of the dual: x = Aᵀ·(A·Aᵀ + λI)⁻¹·b, which is as small as A has rows.
 *
 * @param a E rows of K coefficients.
 * @param ridge λ > 0.
 */
export function ridgeSolve(a: Rows, b: ArrayLike<number>, ridge: number): Float64Array {
  const gram = a.map((row, i) => Float64Array.from(a, (other, j) => dot(row, other) + (i === j ? ridge : 0)));
  const dual = choleskySolve(gram, b);
  const x = new Float64Array(a[0]?.length ?? 0);
  a.forEach((row, i) => {
    for (let k = 0; k < x.length; k++) x[k] = x[k]! + row[k]! * dual[i]!;
  });
  return x;
}

/**
 * The x ≥ 0 with the least ‖A·x − b‖² + λ‖x‖², by coordinate descent on the normal equations.
 *
 * @param ridge λ as a share of the mean of diag(AᵀA).
 */
export function nonNegativeSolve(a: Rows, b: ArrayLike<number>, ridge: number): Float64Array {
  const count = a[0]?.length ?? 0;
  const columns = Array.from({ length: count }, (_, k) => Float64Array.from(a, (row) => row[k]!));
  const gram = columns.map((column) => Float64Array.from(columns, (other) => dot(column, other)));
  const target = columns.map((column) => dot(column, b));
  const lambda = (ridge * gram.reduce((sum, row, k) => sum + row[k]!, 0)) / count;
  const x = new Float64Array(count);
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    for (let k = 0; k < count; k++) {
      const diagonal = gram[k]![k]! + lambda;
      if (diagonal === 0) continue;
      const residual = target[k]! - dot(gram[k]!, x) - lambda * x[k]!;
      x[k] = Math.max(0, x[k]! + residual / diagonal);
    }
  }
  return x;
}

/** Sweeps of coordinate descent; neighbours among the unknowns are much alike, so it takes a few hundred. */
const SWEEPS = 1000;

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/** Solves G·x = b for a positive definite G, in place of G. */
function choleskySolve(gram: Float64Array[], b: ArrayLike<number>): Float64Array {
  const x = Float64Array.from(b);
  gram.forEach((row, i) => {
    for (let j = 0; j <= i; j++) {
      let sum = row[j]!;
      for (let k = 0; k < j; k++) sum -= row[k]! * gram[j]![k]!;
      row[j] = i === j ? Math.sqrt(sum) : sum / gram[j]![j]!;
    }
    let sum = x[i]!;
    for (let k = 0; k < i; k++) sum -= row[k]! * x[k]!;
    x[i] = sum / row[i]!;
  });
  for (let i = gram.length - 1; i >= 0; i--) {
    let sum = x[i]!;
    for (let k = i + 1; k < gram.length; k++) sum -= gram[k]![i]! * x[k]!;
    x[i] = sum / gram[i]![i]!;
  }
  return x;
}
