/** Names that mean one thing only. */
export class Names {
  readonly #taken: Set<string>;
  /** The last number tried behind each name: a file may ask for one name a million times. */
  readonly #numbers = new Map<string, number>();

  constructor(taken: Iterable<string> = []) {
    this.#taken = new Set(taken);
  }

  /** `wanted`, or `wanted` with a number behind it that makes it new. */
  fresh(wanted: string): string {
    let name = wanted;
    let number = this.#numbers.get(wanted) ?? 1;
    while (this.#taken.has(name)) name = `${wanted}_${++number}`;
    this.#numbers.set(wanted, number);
    this.#taken.add(name);
    return name;
  }
}
