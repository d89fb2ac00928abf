/** Formats are told by the bytes that their files hold at a fixed place. */

/** Whether the bytes at `offset` are `magic`, each character one byte. */
export function holdsMagic(bytes: Uint8Array, magic: string, offset = 0): boolean {
  return [...magic].every((char, i) => bytes[offset + i] === char.charCodeAt(0));
}
