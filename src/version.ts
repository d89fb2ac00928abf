/** This package's version, as in package.json; exported files carry it. */
export const VERSION = "0.1.0";
