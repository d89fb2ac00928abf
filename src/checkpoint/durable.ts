/** Bytes that are there after a power failure: Node and Deno. */

/** A new file with `bytes`, on the disk when this resolves; its name is only once its folder is synced. */
export async function writeDurably(path: string, bytes: Uint8Array): Promise<void> {
  const { open } = await import("node:fs/promises");
  const file = await open(path, "wx");
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Puts the names in `folder` on the disk: what was made, renamed and removed there. */
export async function syncFolder(folder: string): Promise<void> {
  const { open } = await import("node:fs/promises");
  // Windows opens no folders, and writes names through.
  if (process.platform === "win32") return;
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } catch (error) {
    // Some file systems, mounted over a network say, sync files alone.
    if ((error as NodeJS.ErrnoException).code !== "EINVAL") throw error;
  } finally {
    await handle.close();
  }
}
