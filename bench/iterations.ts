/** Whole iterations of the method, each case in a worker with a heap of its own, with a breakdown that adds up. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Worker } from "node:worker_threads";
import type { Row, Settings, Table } from "./harness.ts";
import { type CaseName, type CaseResult, type Part, timeOf } from "./iterationCase.ts";

/** As seen from the bundle in build/bench/. */
const RESNET20 = new URL("../../../shared/zoo/cifar10-resnet20.onnx", import.meta.url);
const PYTORCH = new URL("../../bench/pytorch.py", import.meta.url);

/** A machine may be fast for a minute and slow for the next. */
const ROUNDS = 3;

const CASES: { name: CaseName; title: string; needs?: URL; peer?: typeof pytorch }[] = [
  {
    name: "distill-resnet20",
    title: "distillation, ResNet-20, 128 images of 32²",
    needs: RESNET20,
    peer: pytorch,
  },
  { name: "distill-mobilenet", title: "distillation, MobileNetV1 0.75, 16 images of 224²" },
  {
    name: "reconstruct-resnet20",
    title: "reconstruction, ResNet-20, every block once, batch 32",
    needs: RESNET20,
  },
];

export const iterations: Table = {
  name: "iterations",
  async *rows(settings) {
    for (const { name, title, needs, peer } of CASES.filter(({ title }) => settings.wants(title))) {
      if (needs && !existsSync(needs)) {
        console.log(`\niterations: no ${title}: ${fileURLToPath(needs)} is missing`);
        continue;
      }
      const run = (): Promise<CaseResult> => inWorker(name, settings, needs);
      const { result, peers } = peer
        ? await besidePeer(run, () => peer(settings))
        : { result: await run(), peers: {} };
      const { total, ours, theirs, rest, blocks, heap } = result;
      const base = { table: "iterations", peers: {}, ceiling: null };
      const outside = timeOf(theirs) + rest;
      yield { ...base, row: title, unit: "ms", ours: total, peers } satisfies Row;
      yield { ...base, row: "  outside our kernels", unit: "%", ours: (100 * outside) / total };
      yield { ...base, row: "  heap at its highest", unit: "MB", ours: heap / 2 ** 20 };
      yield* breakdown(`${title}: by block`, blocks);
      yield* breakdown(`${title}: by kernel (calls)`, [
        ...withSmallOnesTogether(ours, "other kernels of ours"),
        ...withSmallOnesTogether(theirs, "others").map(({ name, milliseconds }) => ({
          name: `tfjs ${name}`,
          milliseconds,
        })),
        { name: "JavaScript", milliseconds: rest },
        { name: "together", milliseconds: total },
      ]);
    }
  },
};

interface Pair {
  result: CaseResult;
  peers: Record<string, number>;
}

/** Ours and the peer in turns, and of these rounds the one with the median ratio. */
async function besidePeer(
  run: () => Promise<CaseResult>,
  peer: () => Promise<Record<string, number>>,
): Promise<Pair> {
  const rounds: Pair[] = [];
  while (rounds.length < ROUNDS) {
    const round = { result: await run(), peers: await peer() };
    if (Object.keys(round.peers).length === 0) return round;
    rounds.push(round);
  }
  const ratio = ({ result, peers }: Pair): number => Object.values(peers)[0]! / result.total;
  return rounds.toSorted((a, b) => ratio(a) - ratio(b))[ROUNDS >> 1]!;
}

/** Parts below half a millisecond, which no decision hangs on, as one. */
function withSmallOnesTogether(parts: readonly Part[], name: string): Part[] {
  const isSmall = ({ milliseconds }: Part): boolean => milliseconds < 0.5;
  return [...parts.filter((part) => !isSmall(part)), { name, milliseconds: timeOf(parts.filter(isSmall)) }];
}

function breakdown(table: string, parts: readonly Part[]): Row[] {
  return parts.map(({ name, milliseconds }) => ({
    table,
    row: name,
    unit: "ms",
    ours: milliseconds,
    peers: {},
    ceiling: null,
  }));
}

function inWorker(name: CaseName, { binary }: Settings, model: URL | undefined): Promise<CaseResult> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: { name, binary, model: model?.href } });
    worker.once("message", resolve);
    worker.once("error", reject);
  });
}

/** The same distillation iteration in PyTorch, one thread; nothing where there is no torch. */
async function pytorch({ python }: Settings): Promise<Record<string, number>> {
  try {
    const { stdout } = await promisify(execFile)(python, [fileURLToPath(PYTORCH)]);
    return { pytorch: Number.parseFloat(stdout) };
  } catch (error) {
    console.log(`\niterations: no PyTorch beside them: ${String(error).split("\n").at(-2)}`);
    return {};
  }
}
