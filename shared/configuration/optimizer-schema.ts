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

const MAX_TRIALS = 100_000;
const LONGEST_RUN_MINUTES = 43_200;
const MAX_SAMPLES = 1_000_000_000;
const LARGEST_SEED = 2 ** 32 - 1;
const LARGEST_WEIGHT = 1_000_000;
const MAX_THREADS = 1024;

const ONE_AT_A_TIME =
  "latency is measured one inference at a time, alternating with the float model; remove it";

/** Keys of `benchmark` in POT (OpenVINO's quantization tool) that are accepted without effect, each with the reason. */
export const BENCHMARK_WITHOUT_EFFECT = {
  niter: "it is not used, as in POT itself; duration_seconds says how long latency is measured",
  cpu_bind_thread: "ONNX Runtime places its own threads",
  benchmark_app_dir: "it names an OpenVINO program, and latency is measured with ONNX Runtime here",
  performance_count: "inspect shows what each kernel costs",
} as const;

/**
 * Keys of the optimizer in POT (OpenVINO's quantization tool) that are accepted without effect, each with the
 * reason.
 */
export const OPTIMIZER_WITHOUT_EFFECT = {
  metrics:
    "the float model is always measured, so that a baseline_value would be overwritten; the metric is named in engine.metric",
  debug: "every trial is on record in trials.jsonl",
  model_log_dir: "the output folder is given with --out",
  exec_log_dir: "the output folder is given with --out",
} as const;

const benchmark = section({
  ...withoutEffect(BENCHMARK_WITHOUT_EFFECT),
  nthreads: wholeNumber(1, MAX_THREADS)
    .optional()
    .describe("Threads while latency is measured; those of engine.session when omitted."),
  duration_seconds: numberFrom(0.05, 600)
    .optional()
    .describe(
      "Longest duration of one latency measurement; when omitted, it ends as soon as its noise is low enough.",
    ),
  nireq: fixed([0, 1], ONE_AT_A_TIME),
  nstreams: fixed([1], ONE_AT_A_TIME),
  batch_size: fixed([0, 1], "latency is measured at batch 1; remove it"),
  api_type: fixed(["sync", "async"], ONE_AT_A_TIME),
}).describe("How latency is measured.");

const params = section(
  {
    ...withoutEffect(OPTIMIZER_WITHOUT_EFFECT),
    max_trials: wholeNumber(1, MAX_TRIALS)
      .default(200)
      .describe("Most trials, including the preset configuration and, with warm_start, the restored trials."),
    max_minutes: numberFrom(0, LONGEST_RUN_MINUTES)
      .default(0)
      .describe(
        "Time limit of the whole run in minutes, including validating and writing the best model: no trial starts that would not leave time for that. 0 means no limit.",
      ),
    stop_on_target: yesOrNo()
      .default(false)
      .describe(
        "Stop as soon as the best trial meets accuracy_loss and, where latency is measured (objective loss, or minimize latency), latency_reduce.",
      ),
    eval_subset_size: wholeNumber(1, MAX_SAMPLES)
      .optional()
      .describe("Score trials on the first N evaluation samples; on all when omitted."),
    trials_load_method: oneOf(["cold_start", "warm_start", "fine_tune", "eval"])
      .default("cold_start")
      .describe(
        "How earlier trials are used: not at all (cold_start), continued (warm_start), as a start around the earlier best (fine_tune), or only to rebuild the earlier best (eval).",
      ),
    accuracy_loss: numberFrom(0, 100)
      .default(1)
      .describe("Allowed loss of accuracy, in percent of the float model's accuracy."),
    latency_reduce: numberFrom(0.01, 1000)
      .default(1)
      .describe("Required speed-up: the float model's latency divided by the quantized model's."),
    accuracy_weight: numberFrom(0, LARGEST_WEIGHT)
      .default(1)
      .describe("Weight of accuracy in objective loss."),
    latency_weight: numberFrom(0, LARGEST_WEIGHT).default(1).describe("Weight of latency in objective loss."),
    expected_quantization_ratio: numberBetween(0, 1)
      .default(0.5)
      .describe("Share of quantized ops at which that term of objective loss is 0."),
    quantization_ratio_weight: numberFrom(0, LARGEST_WEIGHT)
      .default(0)
      .describe("Weight of the share of quantized ops in objective loss."),
    benchmark: benchmark.prefault({}),
    objective: oneOf(["constrained", "loss", "pareto"])
      .default("constrained")
      .describe(
        "constrained: minimize latency or size within accuracy_loss. loss: POT's formula of accuracy, latency and share of quantized ops. pareto: the whole front of accuracy against latency or size; the best written model is the one that constrained selects from its trials.",
      ),
    minimize: oneOf(["latency", "size"])
      .default("latency")
      .describe(
        "What is minimized while accuracy is kept. size is that of the model file; the latency of trials is then not measured.",
      ),
    race: oneOf(["on", "off"])
      .default("on")
      .describe("Stop trials early, before all samples are scored, once they cannot become the best."),
    sensitivity: oneOf(["auto", "off"])
      .default("auto")
      .describe(
        "How the search starts. auto: changes of the preset configuration, first whole families of choices, then the most sensitive groups left in float, or each group alone when sensitivities are unknown. off: random changes of the preset configuration.",
      ),
    seed: wholeNumber(0, LARGEST_SEED)
      .default(1)
      .describe("Seed of the search; with one worker the same seed gives the same trials."),
    max_cost_usd: numberFrom(0.01, 1_000_000)
      .optional()
      .describe("Stop a run on AWS before it costs more than this, in US dollars."),
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
