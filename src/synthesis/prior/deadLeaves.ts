/**
 * Pictures as natural ones are, statistically: dead leaves. Shapes of all sizes fall on each other and hide what is
 * below (Matheron 1968; Lee, Mumford and Huang, IJCV 2001: radii distributed as r⁻³ make it invariant to scale, with
 * the spectrum, the edges and the heavy-tailed gradients of photographs). Networks learn from them, best where shapes
 * are of several kinds and textured (Baradad et al., *Learning to See by Looking at Noise*, NeurIPS 2021).
 */
import type { Draws } from "./draws.ts";
import { octaveField } from "./octaves.ts";

/** Radii, as shares of the longer side; a picture's smallest is between two, and none is below LEAST_PIXELS. */
const LARGEST = 0.6;
const SMALLEST: [number, number] = [0.03, 0.3];
const LEAST_PIXELS = 1;
/** How often a pixel is painted over, on average: behind so many leaves little of the ground is left. */
const LAYERS = 3;
/** Spread of a channel from the leaf's grey, in the leaves' spread: pictures are grey to colourful. */
const COLOURFULNESS: [number, number] = [0.05, 0.6];
/** Deviation of a picture's brightness and the range of its contrast, in the spread of all pictures' pixels. */
const BRIGHTNESS = 0.4;
const CONTRAST: [number, number] = [0.6, 1.5];
/** Of a leaf's texture and of the light across it, in the leaves' spread. */
const TEXTURE: [number, number] = [0, 0.5];
const SHADING = 0.3;
/** Pixels over which a leaf's edge fades: sharp, or out of focus. */
const EDGE: [number, number] = [0.7, 2.5];

type Kind = "ellipse" | "rectangle" | "triangle";

interface Leaf {
  kind: Kind;
  x: number;
  y: number;
  /** Half its length and half its width, along and across `axis`. */
  length: number;
  width: number;
  axis: [number, number];
  edge: number;
  colour: number[];
  texture: number;
  /** Where in the picture's texture field the leaf's begins. */
  offset: [number, number];
  shading: [number, number];
}

/**
 * Paints one picture [height, width, channels] into `out`: mean 0 and deviation 1 over all values of many pictures,
 * nearly; one picture has a brightness and a contrast of its own.
 */
export function paintLeaves(
  out: Float32Array,
  height: number,
  width: number,
  channels: number,
  draws: Draws,
): void {
  const contrast = draws.between(...CONTRAST);
  const brightness = BRIGHTNESS * draws.normal();
  const colourfulness = draws.between(...COLOURFULNESS);
  const field = octaveField(height, width, draws);
  const cast = colourOf(channels, 0.5 * colourfulness, 0, draws);
  const picture = { out, height, width, channels, field };
  out.fill(0);
  const longest = Math.max(height, width);
  const smallest = Math.max(LEAST_PIXELS, draws.between(...SMALLEST) * longest);
  const largest = Math.max(2 * smallest, LARGEST * longest);
  for (let painted = 0; painted < LAYERS * height * width; ) {
    const leaf = drawLeaf(height, width, smallest, largest, draws);
    leaf.colour = colourOf(channels, colourfulness, 1, draws);
    paint(picture, leaf);
    painted += leaf.length * leaf.width * 3;
  }
  for (let i = 0; i < out.length; i++) {
    out[i] = contrast * (out[i]! + cast[i % channels]!) + brightness;
  }
}

/** A grey of deviation `grey`, and each channel's own deviation from it. */
function colourOf(channels: number, colourfulness: number, grey: number, draws: Draws): number[] {
  const common = grey * draws.normal();
  if (channels === 1) return [common];
  return Array.from({ length: channels }, () => common + colourfulness * draws.normal());
}

function drawLeaf(height: number, width: number, smallest: number, largest: number, draws: Draws): Leaf {
  // Radii as r⁻³: their distribution function inverted, which a root does.
  const ratio = smallest / largest;
  const radius = smallest / Math.sqrt(1 - draws.uniform() * (1 - ratio * ratio));
  const shape = draws.uniform();
  return {
    kind: shape < 0.5 ? "ellipse" : shape < 0.8 ? "rectangle" : "triangle",
    x: draws.between(-radius, width + radius),
    y: draws.between(-radius, height + radius),
    length: radius,
    width: radius * draws.between(0.35, 1),
    axis: draws.direction(),
    edge: draws.between(...EDGE),
    colour: [],
    texture: draws.between(...TEXTURE),
    offset: [Math.floor(draws.uniform() * height), Math.floor(draws.uniform() * width)],
    shading: [SHADING * draws.normal(), SHADING * draws.normal()],
  };
}

interface Picture {
  out: Float32Array;
  height: number;
  width: number;
  channels: number;
  field: Float64Array;
}

function paint({ out, height, width, channels, field }: Picture, leaf: Leaf): void {
  const [ux, uy] = leaf.axis;
  const reach = Math.sqrt(leaf.length * leaf.length + leaf.width * leaf.width) + leaf.edge;
  const [top, bottom] = [Math.max(0, Math.ceil(leaf.y - reach)), Math.min(height - 1, leaf.y + reach)];
  const [left, right] = [Math.max(0, Math.ceil(leaf.x - reach)), Math.min(width - 1, leaf.x + reach)];
  for (let y = top; y <= bottom; y++) {
    for (let x = left; x <= right; x++) {
      const [dx, dy] = [x - leaf.x, y - leaf.y];
      const along = (dx * ux + dy * uy) / leaf.length;
      const across = (dy * ux - dx * uy) / leaf.width;
      const cover = Math.min(1, depth(leaf, along, across) / leaf.edge + 0.5);
      if (cover <= 0) continue;
      const texel = ((y + leaf.offset[0]) % height) * width + ((x + leaf.offset[1]) % width);
      const light = leaf.texture * field[texel]! + leaf.shading[0] * along + leaf.shading[1] * across;
      const pixel = (y * width + x) * channels;
      for (let c = 0; c < channels; c++) {
        const below = out[pixel + c]!;
        out[pixel + c] = below + cover * (leaf.colour[c]! + light - below);
      }
    }
  }
}

/** Pixels from the leaf's edge, negative outside. */
function depth({ kind, length, width }: Leaf, along: number, across: number): number {
  switch (kind) {
    case "ellipse":
      return (1 - Math.sqrt(along * along + across * across)) * width;
    case "rectangle":
      return Math.min((1 - Math.abs(along)) * length, (1 - Math.abs(across)) * width);
    case "triangle":
      return Math.min((1 - Math.abs(across)) * width, (1 - across - 2 * Math.abs(along)) * 0.5 * width);
  }
}
