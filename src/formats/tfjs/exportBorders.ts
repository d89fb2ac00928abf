/** Paddings and slices of an image as Keras layers. */
import type { Constant, Node, NodeOf, Padding } from "../../ir/graph.ts";
import { CHANNELS_LAST, type LayersWriter, unsupported } from "./layersWriter.ts";

/** Zeros around the image, zero channels around its channels. @returns the layer that gives the node's value. */
export function writePad(node: NodeOf<"pad">, writer: LayersWriter): string {
  if (node.mode !== "constant" || node.value !== 0 || node.before.length !== 4) {
    throw unsupported(node, "pads otherwise than an image with zeros");
  }
  const [, top, left, first] = node.before as [number, number, number, number];
  const [, bottom, right, last] = node.after as [number, number, number, number];
  const x = writer.layerOf(node.inputs[0]!, node);
  const pads = top + bottom + left + right > 0;
  const padded = pads ? zeroPad(node, x, { top, bottom, left, right }, writer) : x;
  if (first + last === 0) return padded;
  const channels = writer.shapeOf(node.inputs[0]!)[3]!;
  const sources = Array.from({ length: first + channels + last }, (_, channel) => channel - first);
  return pickChannels(node, padded, channels, sources, writer);
}

/**
 * Every so many-th pixel, and some of the channels; [N, H, W, C] only.
 *
 * @returns the layer that gives the node's value.
 */
export function writeSlice(node: NodeOf<"slice">, writer: LayersWriter): string {
  const shape = writer.shapeOf(node.inputs[0]!);
  const { begin, steps } = node;
  const size = writer.shapeOf(node.output);
  const isWhole = (axis: number) =>
    begin[axis] === 0 && size[axis] === Math.ceil(shape[axis]! / steps[axis]!) && steps[axis]! > 0;
  if (shape.length !== 4 || begin[0] !== 0 || steps[0] !== 1 || !isWhole(1) || !isWhole(2)) {
    throw unsupported(node, "slices otherwise than every so many-th pixel of the whole image");
  }
  const x = writer.layerOf(node.inputs[0]!, node);
  const strides = steps.slice(1, 3);
  // The largest of one pixel is that pixel.
  const thinned = strides.some((stride) => stride > 1)
    ? writer.addLayer("MaxPooling2D", node.name, [x], {
        pool_size: [1, 1],
        strides,
        padding: "valid",
        ...CHANNELS_LAST,
      })
    : x;
  const channels = shape[3]!;
  const sources = Array.from({ length: size[3]! }, (_, channel) => begin[3]! + channel * steps[3]!);
  const isAll = sources.length === channels && sources.every((source, channel) => source === channel);
  return isAll ? thinned : pickChannels(node, thinned, channels, sources, writer);
}

export function zeroPad(
  node: Node,
  x: string,
  { top, bottom, left, right }: Padding,
  writer: LayersWriter,
): string {
  return writer.addLayer("ZeroPadding2D", `${node.name}_pad`, [x], {
    padding: [
      [top, bottom],
      [left, right],
    ],
    ...CHANNELS_LAST,
  });
}

/** Channel k is channel `sources[k]` of x, or 0 where x has none: a 1×1 convolution with ones and zeros, exactly. */
function pickChannels(
  node: Node,
  x: string,
  channels: number,
  sources: readonly number[],
  writer: LayersWriter,
): string {
  const filters = sources.length;
  const kernel: Constant = {
    shape: [1, 1, channels, filters],
    data: new Float32Array(channels * filters),
  };
  sources.forEach((source, channel) => {
    if (source >= 0 && source < channels) kernel.data[source * filters + channel] = 1;
  });
  const config = {
    filters,
    kernel_size: [1, 1],
    strides: [1, 1],
    dilation_rate: [1, 1],
    padding: "valid",
    activation: "linear",
    use_bias: false,
    ...CHANNELS_LAST,
  };
  return writer.addLayer("Conv2D", `${node.name}_channels`, [x], config, { kernel });
}
