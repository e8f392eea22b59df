/**
 * A command line that is refused; `broken.json` is a configuration that is valid except for `value` at `at`.
 */
export interface BadInput {
  readonly title: string;
  readonly at?: string;
  /** `undefined` removes the key. */
  readonly value?: unknown;
  /** Arguments after `tune`, `broken.json`, `--out`, `out`. */
  readonly options?: readonly string[];
  readonly command?: "tune" | "quantize";
  /** The whole command line, instead of the one above. */
  readonly argv?: readonly string[];
  /** The sentence on stderr after "quantfleet: "; file names are relative to the configuration's folder. */
  readonly says: string;
}
