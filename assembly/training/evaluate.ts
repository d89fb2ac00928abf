/** The functions of `math.ts` over arrays. */
import {
  cosTurns, erf, exp, expFlush, expMinusOne, log, pow, power, sigmoid, sinTurns, softplus, tanh,
} from "../math";
import { loadTail, storeTail } from "./tail";

/**
 * out[i] = f(x[i]) for `count` floats; in place where out = x.
 *
 * @param kind 0 eˣ, 1 eˣ flushed, 2 ln x, 3 sigmoid, 4 tanh, 5 x^parameter, 6 sin 2πx, 7 cos 2πx,
 *   8 erf, 9 eˣ − 1 for x ≤ 0, 10 ln(1 + eˣ), 11 x^parameter for any x
 */
export function evaluateFunction(kind: i32, x: usize, parameter: f32, out: usize, count: i32): void {
  const whole = count & ~3;
  for (let i = 0; i < whole; i += 4) {
    const at = (<usize>i) << 2;
    v128.store(out + at, evaluate(kind, v128.load(x + at), parameter));
  }
  if (whole < count) {
    const at = (<usize>whole) << 2;
    storeTail(out + at, evaluate(kind, loadTail(x + at, count - whole), parameter), count - whole);
  }
}

function evaluate(kind: i32, x: v128, parameter: f32): v128 {
  if (kind == 0) return exp(x);
  if (kind == 1) return expFlush(x);
  if (kind == 2) return log(x);
  if (kind == 3) return sigmoid(x);
  if (kind == 4) return tanh(x);
  if (kind == 5) return pow(x, f32x4.splat(parameter));
  if (kind == 6) return sinTurns(x);
  if (kind == 7) return cosTurns(x);
  if (kind == 8) return erf(x);
  if (kind == 9) return expMinusOne(x);
  return kind == 10 ? softplus(x) : power(x, f32x4.splat(parameter));
}
