/** FlatBuffers of unknown make: every read inside the file, and no more of them than an honest file asks for. */
import { ByteBuffer, type Encoding } from "flatbuffers";
import { GenieError } from "../../errors.ts";

/** Reads a byte of the file; tables that overlap a thousand times ask for more. */
const READS_PER_BYTE = 16;

/**
 * The generated accessors go through these methods alone; of the vectors, those of bytes may be taken whole.
 *
 * @throws GenieError `malformed-file` from every read that is out of bounds or one too many.
 */
export class CheckedBuffer extends ByteBuffer {
  #left: number;

  constructor(bytes: Uint8Array) {
    super(bytes);
    this.#left = READS_PER_BYTE * bytes.length;
  }

  override readUint8(offset: number): number {
    this.#check(offset, 1);
    return super.readUint8(offset);
  }

  override readUint16(offset: number): number {
    this.#check(offset, 2);
    return super.readUint16(offset);
  }

  /** Wider types are read through this one. */
  override readInt32(offset: number): number {
    this.#check(offset, 4);
    return super.readInt32(offset);
  }

  override __vector_len(offset: number): number {
    const length = super.__vector_len(offset);
    this.#inside(this.__vector(offset), length);
    return length;
  }

  override __string(offset: number, encoding?: Encoding): string | Uint8Array {
    const length = this.__vector_len(offset);
    this.#left -= length;
    return super.__string(offset, encoding);
  }

  #check(offset: number, length: number): void {
    this.#inside(offset, length);
    if (this.#left-- <= 0) throw damaged("its tables overlap");
  }

  #inside(offset: number, length: number): void {
    if (!(offset >= 0 && length >= 0 && offset + length <= this.capacity())) {
      throw damaged("it points outside of itself");
    }
  }
}

function damaged(how: string): GenieError {
  return new GenieError("malformed-file", `the TFLite file is truncated or damaged: ${how}`);
}
