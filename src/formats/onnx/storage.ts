/** Which integer types a file keeps codes in. */

/**
 * The type of weights of up to 4 bits: "int8" takes as many bytes as there are weights, of which archives and networks
 * compress most of what is too much, and runs as integers; "int4" packs two to a byte (INT4 and UINT4), which
 * onnxruntime (1.30) turns into floats at every call.
 */
export type WeightStorage = "int8" | "int4";
