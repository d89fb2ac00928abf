/** A picture in memory. */

/** 8-bit values [height, width, channels]; one channel is grey, three are red, green and blue. */
export interface Pixels {
  height: number;
  width: number;
  channels: 1 | 3;
  data: Uint8Array;
}

/**
 * The same picture with 1 or 3 channels: grey = 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601), in Pillow's fixed point,
 * whose weights have 16 bits and add up to one; of grey all three are equal.
 */
export function withChannels(image: Pixels, channels: 1 | 3): Pixels {
  if (image.channels === channels) return image;
  const pixels = image.height * image.width;
  const data = new Uint8Array(pixels * channels);
  for (let i = 0; i < pixels; i++) {
    if (channels === 3) data.fill(image.data[i]!, 3 * i, 3 * i + 3);
    else {
      const [red, green, blue] = image.data.subarray(3 * i, 3 * i + 3) as unknown as [number, number, number];
      data[i] = (19595 * red + 38470 * green + 7471 * blue + 32768) >> 16;
    }
  }
  return { ...image, channels, data };
}
