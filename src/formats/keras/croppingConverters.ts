/** Layers that cut images out of images. */
import type { LayerBuilder } from "./layerBuilder.ts";
import type { Converter } from "./layerConverters.ts";
import { requireChannelsLast } from "./windows.ts";

export const croppingConverters: Readonly<Record<string, Converter>> = {
  Cropping2D: (layer) => {
    requireChannelsLast(layer);
    const { cropping = 0 } = layer.config;
    const axes: unknown[] = Array.isArray(cropping) ? cropping : [cropping, cropping];
    const both = axes.map((axis) => (Array.isArray(axis) ? axis : [axis, axis]));
    const isValid =
      both.length === 2 &&
      both.every((ends) => ends.length === 2 && ends.every((n) => Number.isInteger(n) && n >= 0));
    if (!isValid) throw layer.invalid(`its cropping is ${JSON.stringify(cropping)}`);
    const [, height, width] = layer.shapeOf(layer.input);
    const [[top, bottom], [left, right]] = both as [[number, number], [number, number]];
    return crop(layer, [top, left], [height! - bottom, width! - right]);
  },
};

/** Rows and columns from `begin` to before `end`. */
function crop(layer: LayerBuilder, begin: [number, number], end: [number, number]): string {
  const shape = layer.shapeOf(layer.input);
  if (shape.length !== 4) throw layer.invalid(`its input has the shape [${shape}], and is no image`);
  if (end.some((last, axis) => last <= begin[axis]!)) throw layer.invalid("it leaves nothing of its input");
  return layer.add({
    op: "slice",
    inputs: [layer.input],
    begin: [0, ...begin, 0],
    end: [-1, ...end, shape[3]!],
    steps: [1, 1, 1, 1],
  });
}
