/** A heap without memory: what tensors would take at their highest, in tfjs's scopes and on its tape. */

/** Memory that tensors share; free when nobody holds it. */
interface Block {
  bytes: number;
  holders: number;
}

/** A tensor that is a size only. */
export interface Shadow {
  readonly bytes: number;
  /** Whether a learned parameter is among what it was computed from: then it gets a gradient. */
  readonly learned: boolean;
  readonly block: Block;
}

/** What an op does beside writing its output. */
export interface Effects {
  /** Inputs that the tape keeps for the gradient. */
  saves?: readonly Shadow[];
  /** Whether the tape keeps the output. */
  savesOutput?: boolean;
  /** Whether the gradients of its inputs share the memory of its output's. */
  passesGradient?: boolean;
  /** Whether the output shares the first input's memory. */
  isAlias?: boolean;
  /** Bytes that it takes only while it runs, forward as well as backward. */
  transient?: number;
}

interface Step extends Effects {
  inputs: readonly Shadow[];
  output: Shadow;
}

/**
 * Follows allocations as tfjs makes them: in a scope everything lives that is not disposed of; while it records, what
 * an op saves lives until the gradients of its inputs are there.
 */
export class Ledger {
  #live = 0;
  #peak = 0;
  #scope: Set<Shadow> | undefined;
  #tape: Step[] | undefined;

  /** The most bytes that were alive at once. */
  get peak(): number {
    return this.#peak;
  }

  /** A tensor that comes from outside the ops: a constant, a parameter, a batch of images. */
  tensor(bytes: number, { learned = false } = {}): Shadow {
    const shadow = { bytes, learned, block: this.#allocate(bytes) };
    this.#scope?.add(shadow);
    return shadow;
  }

  op(inputs: readonly Shadow[], bytes: number, effects: Effects = {}): Shadow {
    const { isAlias = false, saves = [], savesOutput = false, transient = 0 } = effects;
    const block = isAlias ? hold(inputs[0]!.block) : this.#allocate(bytes);
    this.#touch(transient);
    const output = { bytes, block, learned: inputs.some(({ learned }) => learned) };
    this.#scope?.add(output);
    if (this.#tape) {
      for (const { block: saved } of saves) hold(saved);
      if (savesOutput) hold(block);
      this.#tape.push({ ...effects, inputs, output });
    }
    return output;
  }

  dispose(shadow: Shadow): void {
    this.#scope?.delete(shadow);
    this.#release(shadow.block);
  }

  /** Runs `work` and disposes of every tensor that it made and left. */
  scope(work: () => void): void {
    const outer = this.#scope;
    const own = new Set<Shadow>();
    this.#scope = own;
    work();
    this.#scope = outer;
    for (const { block } of own) this.#release(block);
  }

  /** Runs `forward` on the tape, then backward from its result to all that is learned, as the engine's `gradients`. */
  gradients(forward: () => Shadow): void {
    const tape: Step[] = [];
    this.#tape = tape;
    let result: Shadow | undefined;
    this.scope(() => {
      result = forward();
    });
    this.#tape = undefined;
    const gradients = new Map<Shadow, Block>([[result!, this.#allocate(result!.bytes)]]);
    for (const step of tape.toReversed()) {
      this.#backward(step, gradients);
      for (const { block } of step.saves ?? []) this.#release(block);
      if (step.savesOutput) this.#release(step.output.block);
    }
    for (const block of gradients.values()) this.#release(block);
  }

  /** Gradients of a step's inputs, in exchange for that of its output. */
  #backward(
    { inputs, output, passesGradient = false, transient = 0 }: Step,
    gradients: Map<Shadow, Block>,
  ): void {
    const dy = gradients.get(output);
    if (!dy) return;
    const learned = inputs.filter((input) => input.learned);
    const dxs = learned.map((input) => {
      this.#touch(transient);
      return passesGradient ? hold(dy) : this.#allocate(input.bytes);
    });
    gradients.delete(output);
    this.#release(dy);
    for (const [index, input] of learned.entries()) {
      const former = gradients.get(input);
      gradients.set(input, former ? this.#add(former, dxs[index]!) : dxs[index]!);
    }
  }

  /** Their sum, in the memory of one of them where nobody else holds it. */
  #add(a: Block, b: Block): Block {
    const target = [a, b].find(({ holders }) => holders === 1) ?? this.#allocate(a.bytes);
    for (const block of [a, b]) if (block !== target) this.#release(block);
    return target;
  }

  #allocate(bytes: number): Block {
    this.#live += bytes;
    this.#touch(0);
    return { bytes, holders: 1 };
  }

  #release(block: Block): void {
    block.holders--;
    if (block.holders === 0) this.#live -= block.bytes;
  }

  /** So many bytes more for a moment. */
  #touch(bytes: number): void {
    this.#peak = Math.max(this.#peak, this.#live + bytes);
  }
}

function hold(block: Block): Block {
  block.holders++;
  return block;
}
