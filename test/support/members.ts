/** Members of one computation, joined by ports, all in this thread. */
import { MessageChannel, type MessagePort as NodePort } from "node:worker_threads";
import { join } from "../../src/workers/collectives.ts";

export function byPorts(size: number) {
  const links: (NodePort | undefined)[][] = Array.from({ length: size }, () => []);
  for (let a = 0; a < size; a++) {
    for (let b = a + 1; b < size; b++) {
      const { port1, port2 } = new MessageChannel();
      links[a]![b] = port1;
      links[b]![a] = port2;
    }
  }
  return links.map((link, rank) => {
    const ports = Array.from(
      { length: size },
      (_, member) => link[member] as unknown as MessagePort | undefined,
    );
    return join({ rank, size, link: ports });
  });
}
