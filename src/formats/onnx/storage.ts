/** Which integer types a file keeps codes in. */

/**
 * The type of activations of up to 8 bits. "byte" is INT8 or UINT8, "narrowest" INT4 or UINT4 up to 4 bits: the
 * standard has them, but onnxruntime (1.30) fuses their QuantizeLinear into 8-bit convolutions and then either
 * computes something else or refuses the model, unless its graph optimizations are turned down to "basic".
 */
export type ActivationStorage = "byte" | "narrowest";
