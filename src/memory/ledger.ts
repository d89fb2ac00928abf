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
 * ops save lives until all gradients are there, and so does every gradient.
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

  /** Runs `forward` on the tape, then backward from its result to all that is learned. */
  gradients(forward: () => Shadow): void {
    const tape: Step[] = [];
    this.#tape = tape;
    let result: Shadow | undefined;
    this.scope(() => {
      result = forward();
    });
    this.#tape = undefined;
    const made: Block[] = [this.#allocate(result!.bytes)];
    const gradients = new Map<Shadow, Block>([[result!, made[0]!]]);
    for (const step of tape.toReversed()) made.push(...this.#backward(step, gradients));
    for (const { saves = [], savesOutput, output } of tape) {
      for (const { block } of saves) this.#release(block);
      if (savesOutput) this.#release(output.block);
    }
    for (const block of made) this.#release(block);
  }

  /** Gradients of a step's inputs. Where there is one already, it stays alive beside the new one and their sum. */
  #backward(
    { inputs, output, passesGradient = false, transient = 0 }: Step,
    gradients: Map<Shadow, Block>,
  ): Block[] {
    const dy = gradients.get(output);
    if (!dy) return [];
    const made: Block[] = [];
    const add = (bytes: number): Block => {
      const block = this.#allocate(bytes);
      made.push(block);
      return block;
    };
    for (const input of inputs) {
      if (!input.learned) continue;
      this.#touch(transient);
      const dx = passesGradient ? dy : add(input.bytes);
      gradients.set(input, gradients.has(input) ? add(input.bytes) : dx);
    }
    return made;
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
