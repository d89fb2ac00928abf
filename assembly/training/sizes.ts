/**
 * Numbers as types: a class of n bytes stands for n, and `offsetof<T>()` is n at compile time. Through a type
 * parameter a generic function gets immediate offsets for its loads and stores, and branches that are gone from
 * the loop; a number parameter, even of an inlined function, costs an addition or a comparison for every vector.
 */

// @ts-expect-error: decorator
@unmanaged
export class Size0 {}

// @ts-expect-error: decorator
@unmanaged
export class Size1 extends Size0 {
  private byte0: u8;
}

// @ts-expect-error: decorator
@unmanaged
export class Size2 extends Size1 {
  private byte1: u8;
}

// @ts-expect-error: decorator
@unmanaged
export class Size3 extends Size2 {
  private byte2: u8;
}

// @ts-expect-error: decorator
@unmanaged
export class Size4 extends Size3 {
  private byte3: u8;
}

// @ts-expect-error: decorator
@unmanaged
export class Size5 extends Size4 {
  private byte4: u8;
}

// @ts-expect-error: decorator
@unmanaged
export class Size6 extends Size5 {
  private byte5: u8;
}

// @ts-expect-error: decorator
@unmanaged
export class Size7 extends Size6 {
  private byte6: u8;
}

// @ts-expect-error: decorator
@unmanaged
export class Size8 extends Size7 {
  private byte7: u8;
}

// @ts-expect-error: decorator
@unmanaged
export class Size9 extends Size8 {
  private byte8: u8;
}

// @ts-expect-error: decorator
@unmanaged
export class Size10 extends Size9 {
  private byte9: u8;
}

// @ts-expect-error: decorator
@unmanaged
export class Size16 extends Size0 {
  private bytes0: f64;
  private bytes8: f64;
}

// @ts-expect-error: decorator
@unmanaged
export class Size32 extends Size16 {
  private bytes16: f64;
  private bytes24: f64;
}

// @ts-expect-error: decorator
@unmanaged
export class Size48 extends Size32 {
  private bytes32: f64;
  private bytes40: f64;
}
