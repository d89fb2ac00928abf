/** Code of others beside ours: what does not run in a runtime is left out of its rows. */
import type { Settings } from "../harness.ts";

export interface Peer {
  run(): unknown;
  dispose(): unknown;
}

/** A peer that has run once; nothing, and a note why, where it fails. */
export async function openPeer(
  name: string,
  { note, environment }: Settings,
  open: () => Promise<Peer>,
): Promise<Peer | undefined> {
  try {
    const peer = await open();
    await peer.run();
    return peer;
  } catch (error) {
    note(`no ${name} in ${environment.name}: ${String(error).split("\n")[0]}`);
    return undefined;
  }
}
