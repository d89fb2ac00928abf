/** The facade's functions, each in a session of its own: its workers start with it and end with it. */

import type { Images } from "../images.ts";
import type { Graph, QuantizedGraph } from "../ir/graph.ts";
import type { ReconstructionOptions } from "../quantization/options.ts";
import type { Reconstruction } from "../quantization/reconstruct.ts";
import type { SynthesisOptions } from "../synthesis/options.ts";
import type { EvaluateOptions, Evaluation } from "./evaluate.ts";
import type { Quantization } from "./quantize.ts";
import { openSession, type Resumable, type Session, type SessionOptions } from "./session.ts";
import type { QuantizeOptions } from "./settings.ts";

/**
 * Zero-shot quantization (GENIE; Jeon et al., CVPR 2023): synthesizes calibration images from the model's
 * BatchNorm statistics, or draws them from a prior where it has none, then reconstructs the quantized model block by
 * block.
 *
 * @param graph A float model, best with its BatchNorm nodes.
 * @param options Those of `openSession` say where the work is done: by default in as many workers as there are
 *   cores.
 * @throws GenieError `no-batch-norm` (where the mode needs them), `invalid-option`, `invalid-data`, `aborted`,
 *   `unsupported-runtime`.
 */
export function quantize(
  graph: Graph,
  options: QuantizeOptions & Resumable & SessionOptions = {},
): Promise<Quantization> {
  return inSession(options, (session) => session.quantize(graph, options));
}

/**
 * GENIE-D alone: images whose statistics at every BatchNorm input match the model's running statistics; drawn from a
 * prior where there are none.
 *
 * @param graph A float model.
 * @returns [images, H, W, C], normalized as the model expects its input. If `signal` fires, what `onBatch` has
 *   been given is what is done.
 * @throws GenieError `no-batch-norm`, `invalid-option`, `invalid-model`, `aborted`, `unsupported-runtime`.
 */
export function synthesize(
  graph: Graph,
  options: SynthesisOptions & Resumable & SessionOptions = {},
): Promise<Images> {
  return inSession(options, (session) => session.synthesize(graph, options));
}

/**
 * GENIE-M alone: quantizes `graph` block by block on the images given.
 *
 * @param images Calibration images [N, H, W, C], synthetic or real, normalized as the model expects.
 * @throws GenieError `invalid-option`, `invalid-data`, `invalid-model`, `aborted`, `unsupported-runtime`.
 */
export function reconstruct(
  graph: Graph,
  images: Images,
  options: ReconstructionOptions & Resumable & SessionOptions = {},
): Promise<Reconstruction> {
  return inSession(options, (session) => session.reconstruct(graph, images, options));
}

/** The model's first output for all images, e.g. scores [N, classes]. @throws GenieError `aborted`. */
export function predict(
  model: Graph | QuantizedGraph,
  images: Images,
  options: EvaluateOptions & SessionOptions = {},
): Promise<Images> {
  return inSession(options, (session) => session.predict(model, images, options));
}

/**
 * Runs the model on all images and compares its scores [N, classes] with the labels.
 *
 * @param images [N, H, W, C], normalized as the model expects.
 * @param labels One class index an image.
 * @throws GenieError `invalid-data` if counts differ, a label is no class, or the output is not [N, classes].
 */
export function evaluate(
  model: Graph | QuantizedGraph,
  images: Images,
  labels: ArrayLike<number>,
  options: EvaluateOptions & SessionOptions = {},
): Promise<Evaluation> {
  return inSession(options, (session) => session.evaluate(model, images, labels, options));
}

async function inSession<T>(options: SessionOptions, work: (session: Session) => Promise<T>): Promise<T> {
  const session = await openSession(options);
  try {
    return await work(session);
  } finally {
    session.close();
  }
}
