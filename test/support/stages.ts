/** The stages of the method as a session calls them, from partial options. */
import type { Images } from "../../src/images.ts";
import type { Graph } from "../../src/ir/graph.ts";
import { type ReconstructionOptions, resolveReconstruction } from "../../src/quantization/options.ts";
import * as quantization from "../../src/quantization/reconstruct.ts";
import * as synthesis from "../../src/synthesis/distill.ts";
import { resolveSynthesis, type SynthesisOptions } from "../../src/synthesis/options.ts";

/** By default in this thread. */
export async function synthesize(
  graph: Graph,
  options: SynthesisOptions = {},
  distiller = synthesis.distillHere(options.signal),
  store?: synthesis.BatchStore,
): Promise<Images> {
  return synthesis.synthesize(graph, resolveSynthesis(options), distiller, store);
}

/** By default in this thread. */
export async function reconstruct(
  graph: Graph,
  images: Images,
  options: ReconstructionOptions = {},
  reconstructor = quantization.reconstructHere(options.signal),
  store?: quantization.BlockStore,
): Promise<quantization.Reconstruction> {
  return quantization.reconstruct(graph, images, resolveReconstruction(options), reconstructor, store);
}
