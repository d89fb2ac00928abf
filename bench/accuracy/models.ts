/** The networks of the quality tables: where they are, what judges them, what real images may calibrate them. */
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { labelsFromNames, pictureNames, readFolder } from "../../src/cli/imageFolder.ts";
import { normalizeImages, type PixelOptions } from "../../src/formats/images/normalize.ts";
import { type NpyArray, npyNumbers, readNpy } from "../../src/formats/npy.ts";
import { type Images, slice } from "../../src/images.ts";

export interface Labelled {
  images: Images;
  labels: number[];
}

export interface BenchModel {
  /** The file that is loaded. */
  url: URL;
  evaluation(limit?: number): Promise<Labelled>;
  calibration(): Promise<Images>;
  /** Images and iterations a batch of the zero-shot rows, unless told otherwise. */
  images: number;
  batchSize: number;
  synthesisIterations: number;
  /** Reconstruction iterations a block, unless told otherwise. */
  iterations: number;
}

/** As seen from the bundle in a folder of build/bench/: as deep as the sources that it holds, whose URLs it keeps. */
const SHARED = new URL("../../../../shared/", import.meta.url);
const FASHION = new URL("../../../examples/fashion-mnist/", import.meta.url);

const CIFAR: PixelOptions = { scale: 255, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
const IMAGENET: PixelOptions = { scale: 127.5, mean: [1] };
/** MFCC = (q − 83) · 0.5847029. */
const SPEECH: PixelOptions = { scale: 1 / 0.5847029, mean: [83 * 0.5847029] };
const CLOTHES: PixelOptions = { scale: 255, mean: [0.286], std: [0.353] };
/** Of its 1000 images the first so many judge; the others are the real images of few-shot rows. */
const FASHION_JUDGED = 744;

const cifar = (pixels: PixelOptions) => ({
  evaluation: labelledArrays("data/cifar10-images.npy", "data/cifar10-labels.npy", pixels),
  calibration: async () => normalizeImages(await array("data/cifar10-calibration.npy"), pixels),
});

export const MODELS: Readonly<Record<string, BenchModel>> = {
  resnet20: {
    url: new URL("zoo/cifar10-resnet20.onnx", SHARED),
    ...cifar(CIFAR),
    images: 256,
    batchSize: 128,
    synthesisIterations: 200,
    iterations: 300,
  },
  resnet8: {
    url: new URL("zoo/mlperf-tiny-resnet8.h5", SHARED),
    ...cifar({ scale: 1 }),
    images: 256,
    batchSize: 128,
    synthesisIterations: 200,
    iterations: 300,
  },
  kws: {
    url: new URL("zoo/mlperf-tiny-kws-dscnn/model.json", SHARED),
    evaluation: labelledArrays("data/kws01-features.npy", "data/kws01-labels.npy", SPEECH),
    calibration: async () => normalizeImages(await array("data/kws01-calibration.npy"), SPEECH),
    images: 256,
    batchSize: 128,
    synthesisIterations: 300,
    iterations: 300,
  },
  mobilenet: {
    url: new URL("zoo/imagenet-mobilenet-v1-0.75-224/model.json", SHARED),
    evaluation: async (limit) => {
      const folder = fileURLToPath(new URL("data/imagenet", SHARED));
      const size = [224, 224, 3] as const;
      const pixels = await readFolder(folder, { size, limit });
      return {
        images: normalizeImages(pixels, IMAGENET),
        labels: labelsFromNames(await pictureNames(folder, limit)),
      };
    },
    calibration: async () => {
      const folder = fileURLToPath(new URL("data/imagenet-calibration", SHARED));
      return normalizeImages(await readFolder(folder, { size: [224, 224, 3] }), IMAGENET);
    },
    images: 64,
    batchSize: 32,
    synthesisIterations: 500,
    iterations: 60,
  },
  fashion: {
    url: new URL("fashion-resnet.onnx", FASHION),
    evaluation: (limit = FASHION_JUDGED) => fashion(Math.min(limit, FASHION_JUDGED)),
    calibration: async () => {
      const { images } = await fashion();
      return slice(images, FASHION_JUDGED, images.shape[0]!);
    },
    images: 256,
    batchSize: 128,
    synthesisIterations: 200,
    iterations: 300,
  },
};

const fashion = labelledArrays("test-images.npy", "test-labels.npy", CLOTHES, FASHION);

function labelledArrays(images: string, labels: string, pixels: PixelOptions, base = SHARED) {
  return async (limit?: number): Promise<Labelled> => {
    const all = normalizeImages(await array(images, base), pixels);
    const numbers = Array.from(npyNumbers(await array(labels, base)));
    const count = Math.min(limit ?? numbers.length, numbers.length);
    return { images: slice(all, 0, count), labels: numbers.slice(0, count) };
  };
}

async function array(path: string, base = SHARED): Promise<NpyArray> {
  return readNpy(new Uint8Array(await readFile(new URL(path, base))));
}
