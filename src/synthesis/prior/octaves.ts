/** Random fields with the spectrum of natural ones, 1/f² in power: octaves of equal variance. */
import type { Draws } from "./draws.ts";

/**
 * A field [height, width] of mean 0 and variance 1, nearly: the sum of lattices of independent values, each twice as
 * fine as the one before and interpolated linearly, down to single pixels (value noise; Perlin, SIGGRAPH 1985). Every
 * octave has the same variance, which is what a power spectrum of 1/f² in two dimensions, or 1/f in one, means.
 */
export function octaveField(height: number, width: number, draws: Draws): Float64Array {
  const field = new Float64Array(height * width);
  const longest = Math.max(height, width);
  let octaves = 0;
  for (let cell = 1; ; cell *= 2) {
    addLattice(field, height, width, cell, draws);
    octaves++;
    if (cell >= longest) break;
  }
  const scale = 1 / Math.sqrt(octaves);
  return field.map((value) => value * scale);
}

/** Adds values drawn every `cell` pixels, interpolated between, from an origin of their own, with variance 1. */
function addLattice(field: Float64Array, height: number, width: number, cell: number, draws: Draws): void {
  const [top, left] = [draws.uniform(), draws.uniform()];
  const columns = Math.floor((width - 1) / cell + left) + 2;
  const rows = Math.floor((height - 1) / cell + top) + 2;
  const lattice = Float64Array.from({ length: rows * columns }, () => draws.normal());
  for (let y = 0; y < height; y++) {
    const down = y / cell + top;
    const row = Math.floor(down);
    const v = cell === 1 ? 0 : down - row;
    for (let x = 0; x < width; x++) {
      const across = x / cell + left;
      const column = Math.floor(across);
      const u = cell === 1 ? 0 : across - column;
      const at = row * columns + column;
      const upper = lattice[at]! * (1 - u) + lattice[at + 1]! * u;
      const lower = lattice[at + columns]! * (1 - u) + lattice[at + columns + 1]! * u;
      // Of a mean of four independent values: interpolation must not dim the field between the lattice's points.
      const variance = (u * u + (1 - u) * (1 - u)) * (v * v + (1 - v) * (1 - v));
      const index = y * width + x;
      field[index] = field[index]! + (upper * (1 - v) + lower * v) / Math.sqrt(variance);
    }
  }
}
