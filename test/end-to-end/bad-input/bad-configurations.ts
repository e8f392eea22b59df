import type { BadInput } from "./bad-input.js";

/** A compression section whose target device does not depend on the machine. */
function onArm64(params: object): object {
  return {
    target_device: "CPU_ARM64",
    algorithms: [{ name: "TunableQuantization", params: { tuning_scope: ["layer"], ...params } }],
  };
}

export const BAD_CONFIGURATIONS: readonly BadInput[] = [
  {
    title: "a misspelt key",
    at: "optimizer.params.max_trails",
    value: 10,
    says: "optimizer.params.max_trails in broken.json is not a known key; did you mean max_trials?",
  },
  {
    title: "a section that tune needs",
    at: "engine.evaluation",
    value: undefined,
    says: "engine.evaluation is missing, and tune needs it; add it to the configuration.",
  },
  {
    title: "a metric that does not exist",
    at: "engine.metric.name",
    value: "acuracy",
    says: 'engine.metric.name in broken.json is "acuracy", but must be "accuracy", "f1", "miou", "mse", "sqnr", "cosine", "agreement", "text_accuracy", "character_accuracy" or "module"; did you mean "accuracy"?',
  },
  {
    title: "a metric of an output that the model does not have",
    at: "engine.metric.output",
    value: "logits",
    says: 'engine.metric.output is "logits", which is no output of the model; its outputs are y.',
  },
  {
    title: "more classes to choose from than there are",
    at: "engine.metric.top_k",
    value: 4,
    says: 'engine.metric.top_k is 4, but the model\'s output "y" has 3 classes; give at most 3.',
  },
  {
    title: "a hardware file that is not there",
    at: "compression.target_device",
    value: "mine.json",
    says: "The hardware file mine.json cannot be read (ENOENT); give the path of one, relative to the configuration, or the name of a device.",
  },
  {
    title: "a bias correction over samples of its own",
    at: "compression.algorithms[1]",
    value: { name: "FastBiasCorrection", params: { stat_subset_size: 7 } },
    says: "compression.algorithms[1].params.stat_subset_size in broken.json is 7, but FastBiasCorrection shares the pass over the samples of TunableQuantization; give both the same, or remove it here.",
  },
  {
    title: "an algorithm that leaves nothing to tune",
    at: "compression.algorithms[0]",
    value: { name: "MinMaxQuantization" },
    says: 'compression.algorithms[0].name is "MinMaxQuantization", which leaves nothing to tune; run quantize instead, or use TunableQuantization.',
  },
  {
    title: "a width that the device's activations cannot have",
    at: "compression",
    value: onArm64({ activations: { bits: 4 } }),
    says: 'The target device CPU_ARM64 cannot quantize activation "x" as {"bits":4}; choose from 8 bit symmetric pertensor, 8 bit asymmetric pertensor, or put its op into `ignored`.',
  },
  {
    title: "outlier probabilities without choices",
    at: "compression.algorithms[0].params.outlier_prob_choices",
    value: undefined,
    says: 'compression.algorithms[0].params.outlier_prob_choices in broken.json is missing, but estimator_tuning_scope holds "outlier_prob"; list the probabilities, such as [1e-3, 1e-4, 1e-5].',
  },
  {
    title: "a granularity that activations cannot have",
    at: "compression",
    value: onArm64({ activations: { granularity: "perchannel" } }),
    says: 'The target device CPU_ARM64 cannot quantize activation "x" as {"granularity":"perchannel"}; choose from 8 bit symmetric pertensor, 8 bit asymmetric pertensor, or put its op into `ignored`.',
  },
  {
    title: "an ignored node that the model does not have",
    at: "compression.algorithms[0].params.ignored",
    value: { scope: ["stemm"] },
    says: 'ignored.scope names "stemm", which is no node of model.onnx; did you mean "stem"?',
  },
  {
    title: "an ignored op type that nobody has",
    at: "compression.algorithms[0].params.ignored",
    value: { operations: [{ type: "Convolutoin" }] },
    says: 'ignored.operations names "Convolutoin", which is no op type of ONNX, OpenVINO or the model; did you mean "Convolution"?',
  },
  {
    title: "everything ignored",
    at: "compression.algorithms[0].params.ignored",
    value: { skip_model: true },
    says: 'model.onnx has nothing to quantize: Conv "stem" and 4 more must stay in float, because the configuration\'s `ignored` names it; change that, or use the model as it is.',
  },
  {
    title: "everything ignored",
    at: "compression.algorithms[0].params.ignored",
    value: { skip_model: true },
    command: "quantize",
    says: 'model.onnx has nothing to quantize: Conv "stem" and 4 more must stay in float, because the configuration\'s `ignored` names it; change that, or use the model as it is.',
  },
  {
    title: "no scope",
    at: "compression.algorithms[0].params",
    value: { tuning_scope: [] },
    says: 'compression.algorithms[0].params.tuning_scope is empty, which leaves nothing to tune; run quantize instead, or list "bits", "layer", "mode", "granularity", "codes" or "range_estimator".',
  },
];
