/** Network inputs in memory: float32, NHWC (or [N, F]), normalized as the network expects them. */
export interface Images {
  /** [N, H, W, C] */
  shape: number[];
  data: Float32Array;
  /** What the network's other inputs get beside these images, by the inputs' names: as many of each. */
  others?: Readonly<Record<string, Images>>;
}

/** Images `start` … `end − 1` of a set, sharing its memory. */
export function slice({ shape: [count, ...rest], data, others }: Images, start: number, end: number): Images {
  const stride = data.length / count!;
  const part: Images = { shape: [end - start, ...rest], data: data.subarray(start * stride, end * stride) };
  return others ? { ...part, others: mapOthers(others, (other) => slice(other, start, end)) } : part;
}

/** Values of a network for a set of images, by their names: [N, …] each, with the same N. */
export type Values = ReadonlyMap<string, Images>;

/** The network's inputs by their names. */
export function inputValues(inputs: readonly { name: string }[], { others = {}, ...first }: Images): Values {
  const [own] = inputs;
  return new Map([...(own ? [[own.name, first] as const] : []), ...Object.entries(others)]);
}

/** How many images there are. */
export function countOf(values: Values): number {
  return values.values().next().value?.shape[0] ?? 0;
}

export function mapOthers(
  others: Readonly<Record<string, Images>>,
  change: (other: Images, name: string) => Images,
): Record<string, Images> {
  return Object.fromEntries(Object.entries(others).map(([name, other]) => [name, change(other, name)]));
}

/** Their memory, to be handed over with them. */
export function buffersOf({ data, others = {} }: Images): ArrayBuffer[] {
  return [data.buffer as ArrayBuffer, ...Object.values(others).flatMap(buffersOf)];
}

/** The same in memory of their own. */
export function copy({ shape, data, others }: Images): Images {
  const own: Images = { shape, data: data.slice() };
  return others ? { ...own, others: mapOthers(others, copy) } : own;
}

/** Room for `count` images like these. */
export function emptyLike({ shape: [own, ...rest], data, others }: Images, count: number): Images {
  const empty: Images = {
    shape: [count, ...rest],
    data: new Float32Array((data.length / own!) * count),
  };
  return others ? { ...empty, others: mapOthers(others, (other) => emptyLike(other, count)) } : empty;
}

/** Writes some images into a larger set, from image `start` on. */
export function place(some: Images, into: Images, start: number): void {
  into.data.set(some.data, start * (some.data.length / some.shape[0]!));
  for (const [name, other] of Object.entries(some.others ?? {})) place(other, into.others![name]!, start);
}
