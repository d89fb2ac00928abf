/**
 * A network of TensorFlow's operators, whichever file it comes from: TFLite and TFJS graph models are read into
 * this, and `importNetwork` makes a Graph of it.
 */

export interface Network {
  name: string;
  inputs: NetworkInput[];
  outputs: { name: string; value: string }[];
  /** What the file and its weights take: a measure of what may be made of them. */
  bytes: number;
  /** In any order. */
  operators: Operator[];
  /** A constant by its value's name, read when it is needed; undefined for what is none. */
  constant: (value: string) => TensorConstant | undefined;
}

export interface NetworkInput {
  name: string;
  /** As the file states it, the batch first; undefined where it leaves a size open, or all of it. */
  shape: (number | undefined)[] | undefined;
}

export interface Operator {
  /** TensorFlow's name of it, by which it is converted. */
  type: string;
  /** What the file calls it, for errors. */
  label: string;
  name: string;
  /** Names of values; undefined for an optional input that is not given. */
  inputs: (string | undefined)[];
  outputs: string[];
  /** By TensorFlow's names, and of plain kinds: numbers, texts, truth values and lists of them. */
  attributes: Readonly<Record<string, unknown>>;
}

/** Row-major. Integers are doubles, in which NaN stands for what depends on the open batch size. */
export type TensorConstant =
  | { shape: number[]; data: Float32Array; isInteger: false }
  | { shape: number[]; data: Float64Array; isInteger: true };
