import { pathToFileURL } from "node:url";
import * as z from "zod";
import { ConfigurationError } from "../basics/errors.js";
import type { LabelSlice } from "../data/labels.js";
import { bootstrapInterval, mean, meanInterval } from "./interval.js";
import { type Metric, type ModelOutputs, type Reference, relativeLoss } from "./metric.js";

/** Argument of a module's `score`: outputs of some samples, and the reference to compare them with. */
export interface ModuleMetricInput {
  /** The model's outputs by name, `{ type, dims, data }`; the first axis is the sample. */
  readonly outputs: ModelOutputs;
  /** The samples' labels, present when the module needs `labels`. */
  readonly labels?: LabelSlice;
  /** The float model's outputs of the same samples, present when the module needs `float outputs`. */
  readonly floatOutputs?: ModelOutputs;
}

/**
 * The exports of a user's metric module.
 *
 * `score` returns one number per sample, or `rowWidth` of them. `aggregate` computes the value from all rows
 * and is the mean when omitted. Rows are stored as 32-bit floats.
 *
 * @example
 * // within-two.js: how often a regression is right within two units
 * export const direction = "maximize";
 * export function score({ outputs, labels }) {
 *   const hit = (label, sample) => (Math.abs(outputs.y.data[sample] - label) <= 2 ? 1 : 0);
 *   return Array.from(labels.data, hit);
 * }
 */
export interface MetricModule {
  score(input: ModuleMetricInput): ArrayLike<number>;
  aggregate?(rows: Float32Array): number;
  /** Name of the metric in results; the module's file name when omitted. */
  readonly name?: string;
  readonly direction?: Metric["direction"];
  readonly needs?: Reference["kind"];
  readonly rowWidth?: number;
  readonly range?: readonly [number, number];
}

const isFunction = (value: unknown): boolean => typeof value === "function";

const moduleSchema = z.object({
  score: z.custom<MetricModule["score"]>(isFunction, { error: "must be a function" }),
  aggregate: z
    .custom<NonNullable<MetricModule["aggregate"]>>(isFunction, { error: "must be a function" })
    .optional(),
  name: z.string().min(1).max(256).optional(),
  direction: z.enum(["maximize", "minimize"]).default("maximize"),
  needs: z.enum(["labels", "float outputs"]).default("labels"),
  rowWidth: z.int().min(1).max(8192).default(1),
  range: z.tuple([z.number(), z.number()]).optional(),
});

const PATH = "engine.metric.module";

/**
 * Loads a user's metric module, whose code runs with the rights of this program.
 *
 * @param file absolute path of an ES or CommonJS module
 * @throws {ConfigurationError} when it cannot be imported or its exports do not match `MetricModule`
 */
export async function loadModuleMetric(file: string, shownAs: string): Promise<Metric> {
  const parsed = moduleSchema.safeParse(await importModule(file, shownAs));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new ConfigurationError(
      `${PATH} (${shownAs}) exports ${issue?.path.join(".")} wrongly (${issue?.message}); see the documentation of metric modules.`,
      PATH,
    );
  }
  const { score, aggregate, name = shownAs, direction, needs, rowWidth, range } = parsed.data;
  if (rowWidth > 1 && aggregate === undefined) {
    throw new ConfigurationError(
      `${PATH} (${shownAs}) has rows of ${rowWidth} numbers, but exports no aggregate; export a function of all rows.`,
      PATH,
    );
  }
  const value =
    aggregate === undefined ? mean : (rows: Float32Array) => aggregateOf(aggregate, rows, shownAs);
  return {
    name,
    direction,
    needs,
    rowWidth,
    perSampleMean: aggregate === undefined,
    range,
    checkLabels: () => {},
    score: (outputs, reference) => scoreOf(score, outputs, reference, rowWidth, shownAs),
    aggregate: value,
    interval: (rows) =>
      aggregate === undefined ? meanInterval(rows, range) : bootstrapInterval(rows, rowWidth, value),
    loss: (floatValue, found) => relativeLoss(direction, floatValue, found),
  };
}

async function importModule(file: string, shownAs: string): Promise<object> {
  try {
    const namespace = (await import(pathToFileURL(file).href)) as object & { readonly default?: unknown };
    // The exports of a CommonJS module may be reachable through `default` only.
    const whole = namespace.default;
    return "score" in namespace || typeof whole !== "object" || whole === null ? { ...namespace } : whole;
  } catch (error) {
    throw new ConfigurationError(
      `${PATH} is ${JSON.stringify(shownAs)}, which cannot be imported (${reasonOf(error)}); give the path of a JavaScript module.`,
      PATH,
      { cause: error },
    );
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
}

function scoreOf(
  score: MetricModule["score"],
  outputs: ModelOutputs,
  reference: Reference,
  rowWidth: number,
  shownAs: string,
): Float32Array {
  const input =
    reference.kind === "labels"
      ? { outputs, labels: reference.labels }
      : { outputs, floatOutputs: reference.outputs };
  const rows = Float32Array.from(guarded(() => score(input), "score", shownAs));
  const samples = Object.values(outputs)[0]?.dims[0] ?? 0;
  if (rows.length !== samples * rowWidth || !rows.every(Number.isFinite)) {
    throw new ConfigurationError(
      `${PATH} (${shownAs}) gave ${rows.length} numbers for ${samples} samples, but must give ${rowWidth} finite ones a sample; correct the module.`,
      PATH,
    );
  }
  return rows;
}

function aggregateOf(
  aggregate: NonNullable<MetricModule["aggregate"]>,
  rows: Float32Array,
  shownAs: string,
): number {
  const value: unknown = guarded(() => aggregate(rows), "aggregate", shownAs);
  if (typeof value === "number" && Number.isFinite(value)) return value;
  throw new ConfigurationError(
    `${PATH} (${shownAs}) aggregated to ${String(value)}, but must give a finite number; correct the module.`,
    PATH,
  );
}

function guarded<Result>(call: () => Result, what: string, shownAs: string): Result {
  try {
    return call();
  } catch (error) {
    throw new ConfigurationError(
      `${PATH} (${shownAs}) failed in ${what} (${reasonOf(error)}); correct the module.`,
      PATH,
      { cause: error },
    );
  }
}
