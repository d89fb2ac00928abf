/** Layers that cut images and sequences out of larger ones. */
import type { LayerBuilder } from "./layerBuilder.ts";
import type { Converter } from "./layerConverters.ts";
import { bordersOf, requireChannelsLast } from "./windows.ts";

const cropping: Converter = (layer) => {
  requireChannelsLast(layer);
  const [[top, bottom], [left, right]] = bordersOf(layer, "cropping");
  const [, height, width] = layer.shapeOf(layer.image);
  return crop(layer, [top, left], [height! - bottom, width! - right]);
};

export const croppingConverters: Readonly<Record<string, Converter>> = {
  Cropping1D: cropping,
  Cropping2D: cropping,
  /** The odd row of what goes off goes off below. */
  CenterCrop: (layer) => {
    requireChannelsLast(layer);
    // It samples the picture anew, with a factor that is not 1.
    if (layer.isTfjs) throw layer.unsupported("the CenterCrop of tfjs-layers is not that of Keras");
    const size = [layer.number("height", 0), layer.number("width", 0)];
    const [, height, width] = layer.shapeOf(layer.image);
    const off = [height! - size[0]!, width! - size[1]!];
    if (off.some((count) => count < 0)) {
      throw layer.unsupported(`it enlarges [${height}, ${width}] to [${size}]; only cropping is supported`);
    }
    const begin = off.map((count) => Math.floor(count / 2)) as [number, number];
    return crop(layer, begin, [begin[0] + size[0]!, begin[1] + size[1]!]);
  },
};

/** Rows and columns from `begin` to before `end`. */
function crop(layer: LayerBuilder, begin: [number, number], end: [number, number]): string {
  const x = layer.image;
  const channels = layer.shapeOf(x)[3]!;
  if (end.some((last, axis) => last <= begin[axis]!)) throw layer.invalid("it leaves nothing of its input");
  const cut = layer.add({
    op: "slice",
    inputs: [x],
    begin: [0, ...begin, 0],
    end: [-1, ...end, channels],
    steps: [1, 1, 1, 1],
  });
  return layer.fromImage(cut);
}
