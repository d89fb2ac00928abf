/** The kernels come as two binaries of one source: with `relaxed_madd`, and with mul and add. */
export type Binary = "baseline" | "relaxed";

/**
 * What decides the bits of a result beside its options: the binary and, for the relaxed one, whether this machine's
 * `relaxed_madd` rounds once ("relaxed-fma") or twice ("relaxed-mul-add"). WebAssembly leaves that open, and engines
 * answer by what the processor has. The baseline binary has no instruction that is left open.
 */
export type Arithmetic = "baseline" | "relaxed-fma" | "relaxed-mul-add";
