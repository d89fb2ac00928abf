/** Deflated data of a known size: what unpacks to more is stopped there. */

/** Deflate makes 1032 bytes of one at most, so a piece makes some megabytes. */
const PIECE = 4096;

/**
 * Unpacks raw deflate, or zlib's frame around it.
 *
 * @param size Bytes that it unpacks to at most; the result may be shorter.
 * @throws Error where it is damaged, and RangeError where it is larger.
 */
export async function inflateWithin(
  data: Uint8Array,
  size: number,
  frame: "raw" | "zlib" = "raw",
): Promise<Uint8Array> {
  const { Inflate, Unzlib } = await import("fflate");
  const out = new Uint8Array(size);
  let end = 0;
  const stream = new (frame === "raw" ? Inflate : Unzlib)((part) => {
    if (end + part.length > size) throw new RangeError(`it unpacks to more than ${size} bytes`);
    out.set(part, end);
    end += part.length;
  });
  for (let at = 0; at < data.length; at += PIECE) {
    stream.push(data.subarray(at, at + PIECE), at + PIECE >= data.length);
  }
  return out.subarray(0, end);
}
