/** Making options complete, and checks of numeric ones, shared by synthesis and quantization. */
import { GenieError } from "./errors.ts";

/** Options with every default filled in; those named in `Open` may still be missing. */
export type Resolved<Options, Open extends keyof Options> = {
  [Key in Exclude<keyof Options, Open>]-?: NonNullable<Options[Key]>;
} & Pick<Options, Open>;

/** The options that have a value: what is undefined leaves a default as it is. */
export function given<Options extends object>(options: Options | undefined): Partial<Options> {
  const entries = Object.entries(options ?? {}).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as Partial<Options>;
}

/** @throws GenieError `invalid-option` unless `value` is an integer in [minimum, maximum]. */
export function requireInteger(name: string, value: number, minimum: number, maximum: number): void {
  if (!Number.isInteger(value) || value < minimum || value > maximum) {
    throw new GenieError(
      "invalid-option",
      `${name} must be an integer in ${minimum}…${maximum}, not ${value}`,
    );
  }
}

/** @throws GenieError `invalid-option` unless `value` is a number in [minimum, maximum]. */
export function requireNumber(
  name: string,
  value: number,
  minimum: number,
  maximum = Number.POSITIVE_INFINITY,
): void {
  if (!Number.isFinite(value) || value < minimum || value > maximum) {
    throw new GenieError("invalid-option", `${name} must be a number in ${minimum}…${maximum}, not ${value}`);
  }
}
