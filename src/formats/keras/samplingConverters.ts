/** Layers that pool, pad and resize images, and sequences as images of height 1. */
import type { NodeOf } from "../../ir/graph.ts";
import type { LayerBuilder } from "./layerBuilder.ts";
import type { Converter } from "./layerConverters.ts";
import { bordersOf, paddingOf, requireChannelsLast } from "./windows.ts";

const NO_PADDING = {
  dilations: [1, 1] as [number, number],
  padding: { top: 0, bottom: 0, left: 0, right: 0 },
  countPadding: false,
};

const pooling =
  (op: "maxPool" | "averagePool"): Converter =>
  (layer) => {
    const x = layer.image;
    const kernel = layer.pair("pool_size", layer.isSequential ? [1, 2] : [2, 2]);
    const strides = layer.pair("strides", kernel);
    const padding = paddingOf(layer, layer.shapeOf(x), kernel, strides, [1, 1]);
    return layer.fromImage(layer.add({ op, inputs: [x], ...NO_PADDING, kernel, strides, padding }));
  };

const globalAveragePooling: Converter = (layer) => {
  requireChannelsLast(layer);
  return squeezed(layer, (x, part) => layer.add({ op: "globalAveragePool", inputs: [x] }, part));
};

const globalMaxPooling: Converter = (layer) => {
  requireChannelsLast(layer);
  return squeezed(layer, (x, part) => {
    const [, height, width] = layer.shapeOf(x);
    const kernel: [number, number] = [height!, width!];
    return layer.add({ op: "maxPool", inputs: [x], ...NO_PADDING, kernel, strides: kernel }, part);
  });
};

const zeroPadding: Converter = (layer) => {
  requireChannelsLast(layer);
  const [[top, bottom], [left, right]] = bordersOf(layer, "padding");
  const before = [0, top, left, 0];
  const after = [0, bottom, right, 0];
  return layer.fromImage(
    layer.add({ op: "pad", inputs: [layer.image], before, after, mode: "constant", value: 0 }),
  );
};

export const samplingConverters: Readonly<Record<string, Converter>> = {
  MaxPooling1D: pooling("maxPool"),
  MaxPooling2D: pooling("maxPool"),
  AveragePooling1D: pooling("averagePool"),
  AveragePooling2D: pooling("averagePool"),
  GlobalAveragePooling1D: globalAveragePooling,
  GlobalAveragePooling2D: globalAveragePooling,
  GlobalMaxPooling1D: globalMaxPooling,
  GlobalMaxPooling2D: globalMaxPooling,
  ZeroPadding1D: zeroPadding,
  ZeroPadding2D: zeroPadding,
  UpSampling1D: (layer) =>
    layer.fromImage(
      layer.add({ op: "upsampleNearest", inputs: [layer.image], factors: layer.pair("size", [1, 2]) }),
    ),
  UpSampling2D: (layer) => {
    requireChannelsLast(layer);
    const interpolation = interpolationOf(layer, "nearest");
    const factors = layer.pair("size", [2, 2]);
    const x = layer.image;
    if (interpolation === "nearest") return layer.add({ op: "upsampleNearest", inputs: [x], factors });
    const [, height, width] = layer.shapeOf(x);
    const size: [number, number] = [height! * factors[0], width! * factors[1]];
    return resized(layer, size, {
      mode: "linear",
      coordinates: layer.isTfjs ? "asymmetric" : "half_pixel",
      rounding: "floor",
    });
  },
  Resizing: (layer) => {
    requireChannelsLast(layer);
    const size: [number, number] = [layer.number("height", 0), layer.number("width", 0)];
    const how =
      interpolationOf(layer, "bilinear") === "bilinear"
        ? ({ mode: "linear", coordinates: "half_pixel" } as const)
        : ({ mode: "nearest", coordinates: "tf_half_pixel_for_nn" } as const);
    return resized(layer, size, { ...how, rounding: "floor" });
  },
};

/** The interpolation that the layer names. @throws GenieError `unsupported-operator` for others than the usual two. */
function interpolationOf(layer: LayerBuilder, otherwise: string): string {
  const interpolation = layer.config.interpolation ?? otherwise;
  if (interpolation !== "nearest" && interpolation !== "bilinear") {
    throw layer.unsupported(
      `interpolation ${JSON.stringify(interpolation)} is not supported; "nearest" and "bilinear" are`,
    );
  }
  return interpolation;
}

function resized(
  layer: LayerBuilder,
  size: [number, number],
  how: Pick<NodeOf<"resize">, "mode" | "coordinates" | "rounding">,
): string {
  const [, height, width] = layer.shapeOf(layer.image);
  const scales: [number, number] = [size[0] / height!, size[1] / width!];
  return layer.add({ op: "resize", inputs: [layer.image], size, scales, ...how });
}

/** A pooled image [N, 1, 1, C] as [N, C], unless its dimensions are to be kept. */
function squeezed(layer: LayerBuilder, pool: (x: string, part?: string) => string): string {
  const x = layer.image;
  if (layer.config.keepdims) return layer.fromImage(pool(x));
  const channels = layer.shapeOf(x).at(-1)!;
  return layer.add({ op: "reshape", inputs: [pool(x, "pool")], shape: [-1, channels] });
}
