/** The kernels come as two binaries of one source: with `relaxed_madd`, and with mul and add. */
export type Binary = "baseline" | "relaxed";
