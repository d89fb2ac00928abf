/** Small pictures, and what Pillow makes of them. */
import { readFile } from "node:fs/promises";
import type { Pixels } from "../../../src/formats/images/pixels.ts";
import { readNpy } from "../../../src/formats/npy.ts";

export async function fixture(name: string): Promise<Uint8Array> {
  return new Uint8Array(await readFile(new URL(`fixtures/${name}`, import.meta.url)));
}

export async function fixturePixels(name: string): Promise<Pixels> {
  const { shape, data } = readNpy(await fixture(name));
  const [height, width, channels] = shape as [number, number, 1 | 3];
  return { height, width, channels, data: data as Uint8Array };
}

export function pixelsOf(height: number, width: number, channels: 1 | 3, values: number[]): Pixels {
  return { height, width, channels, data: Uint8Array.from(values) };
}
