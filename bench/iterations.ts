/** Whole iterations of the method, each case in a worker with a heap of its own, with a breakdown that adds up. */
import type { Row, Settings, Table } from "./harness.ts";
import { timeOf } from "./iterationCase.ts";
import type { CaseName, CaseResult, Part } from "./iterationResult.ts";

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
    const { binary, environment, note } = settings;
    for (const { name, title, needs, peer } of CASES.filter(({ title }) => settings.wants(title))) {
      if (needs && !(await environment.exists(needs))) {
        note(`no ${title}: ${needs.pathname} is missing`);
        continue;
      }
      const run = (): Promise<CaseResult> => environment.runCase({ name, binary, model: needs?.href });
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

/** Whether a row is part of what another row measures. */
export function isBreakdown({ table, row }: Row): boolean {
  return table.includes(": by ") || row.startsWith("  ");
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

/** The same distillation iteration in PyTorch, one thread; nothing where there is no torch. */
async function pytorch({ python, environment, note }: Settings): Promise<Record<string, number>> {
  try {
    return { pytorch: Number.parseFloat(await environment.runPython(python, PYTORCH)) };
  } catch (error) {
    note(`no PyTorch beside iterations in ${environment.name}: ${String(error).trim().split("\n").at(-1)}`);
    return {};
  }
}
