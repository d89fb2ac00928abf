/** Synthetic images as a command collects, shows and keeps them. */
import { writeNpy } from "../formats/npy.ts";
import type { Images } from "../images.ts";
import { contactSheet } from "../report/contactSheet.ts";
import type { SynthesisOptions } from "../synthesis/options.ts";
import type { SynthesisFlags } from "./options.ts";
import type { OutputFile } from "./output.ts";

/** Keeps finished batches, so that an interrupted run need not start from nothing. */
export function createCollector(): { onBatch(batch: Images): void; finished(): Images | undefined } {
  const batches: Images[] = [];
  return {
    onBatch: (batch) => {
      batches.push(batch);
    },
    finished: () => (batches.length > 0 ? concatenate(batches) : undefined),
  };
}

function concatenate(batches: readonly Images[]): Images {
  const size = batches.reduce((sum, { data }) => sum + data.length, 0);
  const data = new Float32Array(size);
  let offset = 0;
  for (const batch of batches) {
    data.set(batch.data, offset);
    offset += batch.data.length;
  }
  const count = batches.reduce((sum, { shape }) => sum + shape[0]!, 0);
  return { shape: [count, ...batches[0]!.shape.slice(1)], data };
}

/** The options of synthesis that flags give: what none is given for, the preset settles. */
export function synthesisOptions(flags: SynthesisFlags): SynthesisOptions {
  return {
    images: flags.images,
    iterations: flags.synthesisIterations,
    batchSize: flags.batchSize,
    mode: flags.mode,
    swing: flags.swing,
    seed: flags.seed,
  };
}

/** Writes images [N, H, W, C] as float32 `.npy` and, where it is wanted, as a contact sheet. */
export async function writeImages(
  images: Images,
  npy: OutputFile,
  sheet?: { file: OutputFile; mean?: readonly number[] | undefined; std?: readonly number[] | undefined },
): Promise<void> {
  await npy.write(writeNpy(images));
  if (sheet) await sheet.file.write(contactSheet(images, sheet));
}
