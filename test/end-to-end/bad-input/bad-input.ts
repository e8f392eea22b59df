/** A command line that is refused; `broken.json` is the sound configuration but for `value` at `at`. */
export interface BadInput {
  readonly title: string;
  readonly at?: string;
  /** `undefined` takes the key away. */
  readonly value?: unknown;
  /** Arguments behind `tune`, `broken.json`, `--out`, `out`. */
  readonly options?: readonly string[];
  readonly command?: "tune" | "quantize";
  /** The whole command line, in place of the one above. */
  readonly argv?: readonly string[];
  /** The one sentence on stderr, behind "quantfleet: "; files are named from the folder of the configuration. */
  readonly says: string;
}
