/**
 * genie-wasm: zero-shot post-training quantization of convolutional networks, on the CPU, with no data.
 *
 * bytes → `loadModel` → Graph → `synthesize` → images → `reconstruct` → QuantizedGraph → `exportOnnx` → bytes;
 * `quantize` is the middle of it in one call. The work is done in workers; `openSession` keeps them for many calls.
 */

export { browserCheckpoint } from "./checkpoint/browserStore.ts";
export { fileCheckpoint } from "./checkpoint/fileStore.ts";
export type { CheckpointStore } from "./checkpoint/store.ts";
export { type ErrorCode, GenieError } from "./errors.ts";
export type { Limits } from "./formats/budget.ts";
export type { CompanionReader, CompanionReader as ShardReader } from "./formats/companion.ts";
export { normalizeImages, type PixelOptions } from "./formats/images/normalize.ts";
export { type ExportOptions, exportOnnx } from "./formats/onnx/export.ts";
export { exportLayers, type LayersModel } from "./formats/tfjs/export.ts";
export type { Images } from "./images.ts";
export type { BitSetting } from "./ir/bits.ts";
export type { Graph, InputRange, QuantizedGraph, QuantizedTensor, QuantParams } from "./ir/graph.ts";
export type { Arithmetic, Binary } from "./kernels/binary.ts";
export type { OpTime, ProfileListener, StageProfile } from "./profile.ts";
export type { LongWork, Progress } from "./progress.ts";
export type { ReconstructionOptions } from "./quantization/options.ts";
export type { Reconstruction } from "./quantization/reconstruct.ts";
export type { BlockReport } from "./quantization/sequence.ts";
export { evaluate, predict, quantize, reconstruct, synthesize } from "./session/calls.ts";
export type { EvaluateOptions, Evaluation } from "./session/evaluate.ts";
export { type LoadOptions, loadModel } from "./session/load.ts";
export { type InputSize, type Preset, type PresetName, presetFor, presets } from "./session/presets.ts";
export type { Quantization } from "./session/quantize.ts";
export { openSession, type Resumable, type Session, type SessionOptions } from "./session/session.ts";
export type { QuantizeOptions } from "./session/settings.ts";
export {
  findInputRange,
  noiseImages,
  type StatisticsDistance,
  statisticsDistance,
} from "./synthesis/distance.ts";
export type { SynthesisMode, SynthesisOptions } from "./synthesis/options.ts";
