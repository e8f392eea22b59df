import {
  fixed,
  numberBetween,
  numberFrom,
  oneOf,
  section,
  wholeNumber,
  withoutEffect,
  yesOrNo,
} from "../validation/requirement.js";

const MOST_TRIALS = 100_000;
const LONGEST_RUN_MINUTES = 43_200;
const MOST_SAMPLES = 1_000_000_000;
const LARGEST_SEED = 2 ** 32 - 1;
const LARGEST_WEIGHT = 1_000_000;
const MOST_THREADS = 1024;

const ONE_AT_A_TIME = "latency is taken of one inference at a time, in turn with the float model; remove it";

/** Keys of POT's benchmark that change nothing. */
export const BENCHMARK_WITHOUT_EFFECT = {
  niter: "it is not used, as in POT itself; duration_seconds says how long latency is measured",
  cpu_bind_thread: "ONNX Runtime places its own threads",
  benchmark_app_dir: "it names an OpenVINO program, and latency is measured with ONNX Runtime here",
  performance_count: "inspect shows what each kernel costs",
} as const;

/** Keys of POT's optimizer that change nothing. */
export const OPTIMIZER_WITHOUT_EFFECT = {
  metrics:
    "the float model is always measured, so that a baseline_value would be overwritten; the metric is named in engine.metric",
  debug: "every trial is on record in trials.jsonl",
  model_log_dir: "the output folder is given with --out",
  exec_log_dir: "the output folder is given with --out",
} as const;

const benchmark = section({
  ...withoutEffect(BENCHMARK_WITHOUT_EFFECT),
  nthreads: wholeNumber(1, MOST_THREADS)
    .optional()
    .describe("Threads while latency is measured; those of engine.session when left out."),
  duration_seconds: numberFrom(0.05, 600)
    .optional()
    .describe("How long one latency measurement takes at most; as long as its noise asks for when left out."),
  nireq: fixed([0, 1], ONE_AT_A_TIME),
  nstreams: fixed([1], ONE_AT_A_TIME),
  batch_size: fixed([0, 1], "latency is taken at batch 1; remove it"),
  api_type: fixed(["sync", "async"], ONE_AT_A_TIME),
}).describe("How latency is measured.");

const params = section(
  {
    ...withoutEffect(OPTIMIZER_WITHOUT_EFFECT),
    max_trials: wholeNumber(1, MOST_TRIALS)
      .default(200)
      .describe("Trials at most, counting the base configuration and, with warm_start, the restored ones."),
    max_minutes: numberFrom(0, LONGEST_RUN_MINUTES)
      .default(0)
      .describe(
        "Minutes from the start in which the run is to end, its best validated and written: no trial starts that would not leave time for that; 0 is without limit.",
      ),
    stop_on_target: yesOrNo()
      .default(false)
      .describe(
        "Stop as soon as the best trial meets accuracy_loss and, where latency is measured (objective loss, or minimize latency), latency_reduce.",
      ),
    eval_subset_size: wholeNumber(1, MOST_SAMPLES)
      .optional()
      .describe("Trials are scored on the first N evaluation samples; on all when left out."),
    trials_load_method: oneOf(["cold_start", "warm_start", "fine_tune", "eval"])
      .default("cold_start")
      .describe("Begin anew, go on with earlier trials, begin around the earlier best, or only rebuild it."),
    accuracy_loss: numberFrom(0, 100)
      .default(1)
      .describe("The loss of accuracy that is allowed, in percent of the float model's."),
    latency_reduce: numberFrom(0.01, 1000)
      .default(1)
      .describe("The speed-up asked for: the float model's latency over the quantized one's."),
    accuracy_weight: numberFrom(0, LARGEST_WEIGHT)
      .default(1)
      .describe("Weight of accuracy in objective loss."),
    latency_weight: numberFrom(0, LARGEST_WEIGHT).default(1).describe("Weight of latency in objective loss."),
    expected_quantization_ratio: numberBetween(0, 1)
      .default(0.5)
      .describe("Share of quantized ops at which the ratio's term in objective loss is 0."),
    quantization_ratio_weight: numberFrom(0, LARGEST_WEIGHT)
      .default(0)
      .describe("Weight of the share of quantized ops in objective loss."),
    benchmark: benchmark.prefault({}),
    objective: oneOf(["constrained", "loss", "pareto"])
      .default("constrained")
      .describe(
        "constrained: what minimize names, within accuracy_loss. loss: POT's formula of accuracy, latency and share of quantized ops. pareto: the whole front of accuracy and what minimize names; the best written is that of constrained among its trials.",
      ),
    minimize: oneOf(["latency", "size"])
      .default("latency")
      .describe(
        "What is made small beside keeping accuracy; size is the model file's, and no trial's latency is measured then.",
      ),
    race: oneOf(["on", "off"])
      .default("on")
      .describe("Stop hopeless trials before they have seen every sample."),
    sensitivity: oneOf(["auto", "off"])
      .default("auto")
      .describe(
        "auto begins around the base configuration: whole families of choices at once, then the most sensitive groups back to float, or each group alone where no sensitivity is known; off with random changes of it.",
      ),
    seed: wholeNumber(0, LARGEST_SEED).default(1).describe("Fixes the sequence of trials."),
    max_cost_usd: numberFrom(0.01, 1_000_000)
      .optional()
      .describe("Stop before an AWS run costs more than this."),
    anneal: fixed([false], "simulated annealing is not offered, the search is always TPE; remove it"),
    keep_uncompressed_weights: fixed(
      [false],
      "trials are scored with the weights that are deployed; remove it",
    ),
  },
  {
    multinode:
      "shared a database between machines in POT; remove it, and use --workers on one machine or submit to run on many",
  },
);

export const optimizer = section({
  name: oneOf(["Tpe"]).default("Tpe").describe("The search algorithm."),
  params: params.prefault({}),
});
