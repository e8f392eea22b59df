/** A measurement on the results page: what it shows and the command that prints it. */
export interface Measurement {
  readonly name: string;
  readonly title: string;
  /** What the measurement's table shows, and how it is to be read. */
  readonly about: string;
  /** The command and its arguments; `OUT` stands for a temporary folder. */
  readonly command: readonly string[];
  readonly mode: "quick" | "full";
  /** Matches lines of the command's output that are left out, such as the course of a run. */
  readonly leaveOut?: RegExp;
  /** Whether the figures are times, which a busy machine changes. */
  readonly isTimed: boolean;
}

const npm = (script: string, ...parameters: readonly string[]): readonly string[] => [
  "npm",
  "run",
  "-s",
  script,
  ...(parameters.length === 0 ? [] : ["--", ...parameters]),
];

const SMALL_MODELS = "demo-mnist-dscnn,kws-dscnn-mlperf,text-trec";

export const MEASUREMENTS: readonly Measurement[] = [
  {
    name: "demo",
    title: "The demo",
    about:
      "A small depthwise separable network with uneven channels, smallest file within 0.5 % of the float accuracy.",
    command: ["node", "dist/scripts/quantfleet.js", "demo", "--workers", "1", "--out", "OUT"],
    mode: "quick",
    leaveOut: /^(Written|In float|Selection|What moved)/,
    isTimed: true,
  },
  {
    name: "tune",
    title: "Tuning",
    about: "TunableQuantization alone, smallest file within 0.5 %, two workers, seed 1.",
    command: npm("bench", "--part", "tune", "--models", SMALL_MODELS),
    mode: "quick",
    isTimed: true,
  },
  {
    name: "tune-all",
    title: "Tuning, all models",
    about: "The same on every model.",
    command: npm("bench", "--part", "tune"),
    mode: "full",
    isTimed: true,
  },
  {
    name: "algorithms",
    title: "Algorithms beside the quantization",
    about:
      "Metric and signal-to-noise ratio of the outputs against float, everything quantized, with and without the algorithms.",
    command: npm("bench:companions", "--models", SMALL_MODELS),
    mode: "quick",
    isTimed: false,
  },
  {
    name: "smooth-quant",
    title: "SmoothQuant",
    about: "text-trec with and without outliers, by alpha.",
    command: npm("bench:smooth-quant"),
    mode: "quick",
    isTimed: false,
  },
  {
    name: "low-bit",
    title: "4-bit weights",
    about: "kws-dscnn-mlperf with 4-bit weights and 8-bit activations.",
    command: npm("bench:low-bit", "--models", "kws-dscnn-mlperf"),
    mode: "quick",
    isTimed: false,
  },
  {
    name: "widths",
    title: "Widths and devices",
    about: "Plain min-max on every device, all layers quantized.",
    command: npm("bench:widths", "--models", "kws-dscnn-mlperf"),
    mode: "quick",
    isTimed: false,
  },
  {
    name: "search",
    title: "The search against Optuna",
    about:
      "Synthetic problems shaped like layer-wise quantization; medians of 3 seeds of the value after 50, 100 and 200 trials. Ratios are regret over that of Optuna's joint TPE.",
    command: npm("bench:search", "--seeds", "3"),
    mode: "quick",
    isTimed: false,
  },
  {
    name: "scale",
    title: "The fleet in virtual time",
    about: "Share of the evaluators' time that is spent scoring, in a simulation with measured times.",
    command: npm("simulate:scale"),
    mode: "quick",
    isTimed: false,
  },
  {
    name: "faults",
    title: "Runs under faults",
    about: "Seeded runs with lost, doubled and late messages, dying workers and a failing store.",
    command: npm("simulate", "--seeds", "200"),
    mode: "quick",
    isTimed: false,
  },
  {
    name: "race",
    title: "Early stopping",
    about: "Samples saved, and the winner with and without early stopping.",
    command: npm("bench:race"),
    mode: "full",
    isTimed: false,
  },
  {
    name: "real",
    title: "Search on real models",
    about: "The best after 40 and 100 trials, against greedy reversal and random search.",
    command: npm("bench:real", "--race", "on"),
    mode: "full",
    isTimed: false,
  },
  {
    name: "ask",
    title: "Time of an ask",
    about: "Processor milliseconds on one thread, by trials and parameters.",
    command: npm("bench:ask"),
    mode: "full",
    isTimed: true,
  },
  {
    name: "coordinator",
    title: "The coordinator",
    about: "Results a second with a store of 20 ms, and the largest state.",
    command: npm("bench:coordinator"),
    mode: "full",
    isTimed: true,
  },
];
