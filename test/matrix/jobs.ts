/** What the packed package is asked to do: a short job on the model in this repository, a real one on ResNet-20. */
import { existsSync } from "node:fs";
import { copyFile, readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { npyNumbers, readNpy } from "../../src/formats/npy.ts";
import type { PixelOptions, QuantizeOptions } from "../../src/index.ts";
import type { Consumer } from "./consumer.ts";
import type { Job } from "./runtimes/runtime.ts";

/** A job for any binary and number of workers. */
export type Task = Omit<Job, "workers" | "binary">;

interface Source {
  model: string;
  images: string;
  labels: string;
  pixels: PixelOptions;
}

/** Fashion-MNIST, normalized as train.py does. */
const DEMO: Source = {
  model: "examples/fashion-mnist/fashion-resnet.onnx",
  images: "examples/fashion-mnist/test-images.npy",
  labels: "examples/fashion-mnist/test-labels.npy",
  pixels: { scale: 255, mean: [0.286], std: [0.353] },
};

const RESNET20: Source = {
  model: "../shared/zoo/cifar10-resnet20.onnx",
  images: "../shared/data/cifar10-images.npy",
  labels: "../shared/data/cifar10-labels.npy",
  pixels: { scale: 255, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
};

/** The smallest budget that goes through everything: two batches for two workers, all blocks. */
export function demoTask(consumer: Consumer): Promise<Task> {
  const quantize: QuantizeOptions = {
    seed: 7,
    weightBits: 4,
    activationBits: 4,
    synthesis: { images: 32, batchSize: 16, iterations: 4 },
    reconstruction: { iterations: 8 },
  };
  return prepare(DEMO, quantize, 200, consumer);
}

/** ResNet-20 at W4A4 with the preset `fast`, judged on the first `count` images. */
export function resnet20Task(consumer: Consumer, count: number): Promise<Task> {
  return prepare(RESNET20, { seed: 7, weightBits: 4, activationBits: 4, preset: "fast" }, count, consumer);
}

/** Whether the zoo is beside the project. */
export const hasResnet20 = (): boolean => Object.values(RESNET20).slice(0, 3).every(existsSync);

/** Copies what a job needs into the consumer's folder. Run from the project's root. */
async function prepare(
  { model, images, labels, pixels }: Source,
  quantize: QuantizeOptions,
  count: number,
  { folder }: Consumer,
): Promise<Task> {
  const { shape, data } = readNpy(await readFile(images));
  const classes = npyNumbers(readNpy(await readFile(labels)));
  if (!(data instanceof Uint8Array)) throw new Error(`${images} is not uint8`);
  const stride = data.length / shape[0]!;
  const file = `${basename(images, ".npy")}.bin`;
  await copyFile(model, join(folder, basename(model)));
  await writeFile(join(folder, file), data.subarray(0, count * stride));
  return {
    model: basename(model),
    quantize,
    images: { file, shape: [count, ...shape.slice(1)] },
    pixels,
    labels: [...classes.subarray(0, count)],
  };
}
