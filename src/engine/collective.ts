/** Data-parallel computation: several members, each with its share of the data, add up what they found. */

/** The members of a computation as one of them sees it (a communicator, in MPI's words). */
export interface Collective {
  /** Which member this is, from 0. */
  rank: number;
  /** How many there are. */
  size: number;
  /**
   * Replaces every element of every array by its sum over all members, added in the order of their ranks: the same
   * bits everywhere. Every member calls it, with arrays of the same lengths.
   */
  sum(arrays: readonly Float32Array[]): Promise<void>;
}

/** A computation of one. */
export const alone: Collective = { rank: 0, size: 1, sum: async () => {} };

/** Where the share of member `rank` of `count` things begins; it ends where the next one's begins. */
export function shareStart(count: number, rank: number, size: number): number {
  return Math.floor((count * rank) / size);
}
