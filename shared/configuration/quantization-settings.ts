import { ConfigurationError } from "../basics/errors.js";
import type { AdaptiveRoundingSettings } from "../quantization/algorithms/adaptive-rounding.js";
import type { BiasCorrectionSettings } from "../quantization/algorithms/fast-bias-correction.js";
import type { SmoothingSettings } from "../quantization/algorithms/smooth-quant.js";
import type { WeightBiasCorrectionSettings } from "../quantization/algorithms/weight-bias-correction.js";
import { isDeviceName, type TargetDevice } from "../quantization/device/hardware.js";
import type { IgnoredScope } from "../quantization/graph/ignored/ignored-scope.js";
import type { PatternSet } from "../quantization/graph/ignored/nodes-in-float.js";
import type { SaturationFix } from "../quantization/graph/saturation-fix.js";
import type { TunedCompanion } from "../quantization/space/algorithm-space.js";
import type {
  EstimatorOverrides,
  TensorOverrides,
  TuningOptions,
} from "../quantization/space/tuning-options.js";
import type {
  AlgorithmConfiguration,
  PinnedQuantization,
  PinnedWeights,
  RangeEstimatorConfiguration,
} from "./compression-schema.js";
import { BIAS_THRESHOLD, FAST_BIAS_THRESHOLD } from "./compression-schema.js";
import type { RunConfiguration } from "./schema.js";
import { tunedCompanions } from "./tuned-algorithms.js";

/** The configuration's settings of quantization, in the types of shared/quantization. */
export interface QuantizationSettings {
  readonly targetDevice: TargetDevice;
  readonly options: TuningOptions;
  readonly ignored: IgnoredScope;
  /** Patterns of ops that are left in float; those of the target device when omitted. */
  readonly ignoredPatterns?: PatternSet;
  readonly saturationFix: SaturationFix;
  /** Which calibration samples are used. */
  readonly sampling: Sampling;
  /** CrossLayerEqualization, where it is asked for. */
  readonly layerEqualization?: { readonly ignored: IgnoredScope };
  /** SmoothQuant, where it is asked for; its samples are its own. */
  readonly smoothing?: SmoothingSettings & { readonly sampling: Sampling };
  /** ActivationChannelAlignment, where it is asked for; its samples are its own. */
  readonly channelAlignment?: { readonly ignored: IgnoredScope; readonly sampling: Sampling };
  /** AdaptiveRounding, where it is asked for; it shares the quantization's samples. */
  readonly adaptiveRounding?: AdaptiveRoundingSettings;
  /** WeightBiasCorrection, where it is asked for; it shares the quantization's samples. */
  readonly weightBiasCorrection?: WeightBiasCorrectionSettings;
  /** FastBiasCorrection or BiasCorrection, where one is asked for; it shares the quantization's samples. */
  readonly biasCorrection?: BiasCorrectionSettings;
  /** What the search decides of those, whether they are done or how; the settings above are the base's. */
  readonly tunedCompanions?: readonly TunedCompanion[];
}

export interface Sampling {
  readonly size: number | undefined;
  readonly shuffle: boolean;
  readonly seed: number;
}

/**
 * Op types that `model_type: "transformer"` leaves in float (docs/reference/algorithms.md, "Ignored nodes").
 */
const TRANSFORMER_FLOAT_TYPES = ["Add", "Pow", "Squeeze", "Mul", "Sub", "ReduceMean"];

/**
 * Extracts the settings from a configuration that `requireSupported` has accepted. Quantizing algorithms
 * without tuning scopes leave nothing to tune.
 */
export function quantizationSettings({ compression }: RunConfiguration): QuantizationSettings {
  const tuned = tunedCompanions(compression.algorithms);
  const algorithm = compression.algorithms.find(isQuantizing);
  const params = algorithm?.params;
  const tunable = algorithm?.name === "TunableQuantization" ? algorithm.params : undefined;
  const global = estimatorOverrides(params?.range_estimator);
  return {
    targetDevice: targetDevice(compression.target_device),
    options: {
      preset: params?.preset ?? "performance",
      tuningScope: new Set(tunable?.tuning_scope),
      estimatorScope: new Set(tunable?.estimator_tuning_scope),
      outlierProbChoices: tunable?.outlier_prob_choices ?? [],
      ...(tunable?.estimator_preset_choices === undefined
        ? {}
        : { presetChoices: tunable.estimator_preset_choices }),
      weights: tensorOverrides(params?.weights),
      activations: tensorOverrides(params?.activations),
      ...(global === undefined ? {} : { rangeEstimator: global }),
      ...(compression.model_type === "transformer" ? { symmetricProducts: true } : {}),
    },
    ignored: ignoredScope(
      params?.ignored,
      compression.model_type === "transformer" ? TRANSFORMER_FLOAT_TYPES : [],
    ),
    ...(params?.ignored_patterns === undefined ? {} : { ignoredPatterns: params.ignored_patterns }),
    saturationFix: params?.saturation_fix ?? "auto",
    sampling: samplingOf(params),
    ...companions(compression.algorithms),
    ...(tuned.length === 0 ? {} : { tunedCompanions: tuned }),
  };
}

type Companion =
  | "layerEqualization"
  | "smoothing"
  | "channelAlignment"
  | "adaptiveRounding"
  | "weightBiasCorrection"
  | "biasCorrection";

/**
 * The target device of a configuration whose hardware file has been read.
 * @throws {ConfigurationError} when it is still a path
 */
function targetDevice(device: RunConfiguration["compression"]["target_device"]): TargetDevice {
  if (typeof device !== "string" || isDeviceName(device)) return device;
  throw new ConfigurationError(
    `compression.target_device is the path ${device}, which has not been read; load the configuration by readConfiguration.`,
    "compression.target_device",
  );
}

/** Settings of the algorithms other than quantization; DefaultQuantization includes some of them. */
function companions(algorithms: readonly AlgorithmConfiguration[]): Pick<QuantizationSettings, Companion> {
  const equalization = named(algorithms, "CrossLayerEqualization")?.params;
  const whole = named(algorithms, "DefaultQuantization")?.params;
  const smoothing = named(algorithms, "SmoothQuant")?.params;
  const alignment = named(algorithms, "ActivationChannelAlignment")?.params ?? whole;
  const rounding = named(algorithms, "AdaptiveRounding")?.params;
  const ofWeights = named(algorithms, "WeightBiasCorrection")?.params;
  const sequential =
    named(algorithms, "BiasCorrection")?.params ?? (whole?.use_fast_bias === false ? whole : undefined);
  const correction = sequential ?? named(algorithms, "FastBiasCorrection")?.params ?? whole;
  return {
    ...(equalization === undefined
      ? {}
      : { layerEqualization: { ignored: ignoredScope(equalization.ignored) } }),
    ...(smoothing === undefined
      ? {}
      : {
          smoothing: {
            alpha: smoothing.alpha,
            ignored: ignoredScope(smoothing.ignored),
            sampling: samplingOf(smoothing),
          },
        }),
    ...(alignment === undefined
      ? {}
      : { channelAlignment: { ignored: ignoredScope(alignment.ignored), sampling: samplingOf(alignment) } }),
    ...(rounding === undefined
      ? {}
      : {
          adaptiveRounding: {
            largestBits: rounding.largest_bits,
            ignored: ignoredScope(rounding.ignored),
          },
        }),
    ...(ofWeights === undefined
      ? {}
      : { weightBiasCorrection: { ignored: ignoredScope(ofWeights.ignored) } }),
    ...(correction === undefined
      ? {}
      : {
          biasCorrection: {
            sequential: sequential !== undefined,
            ...(sequential?.apply_for_all_nodes === true ? { everyNode: true } : {}),
            threshold:
              correction.threshold ?? (sequential === undefined ? FAST_BIAS_THRESHOLD : BIAS_THRESHOLD),
            ignored: ignoredScope(correction.ignored),
          },
        }),
  };
}

type Named<Name extends AlgorithmConfiguration["name"]> = Extract<AlgorithmConfiguration, { name: Name }>;

function named<Name extends AlgorithmConfiguration["name"]>(
  algorithms: readonly AlgorithmConfiguration[],
  name: Name,
): Named<Name> | undefined {
  return algorithms.find((algorithm): algorithm is Named<Name> => algorithm.name === name);
}

function ignoredScope(
  ignored: Quantizing["params"]["ignored"],
  floatTypes: readonly string[] = [],
): IgnoredScope {
  return {
    skipModel: ignored?.skip_model ?? false,
    scope: ignored?.scope ?? [],
    operations: [...(ignored?.operations ?? []), ...floatTypes.map((type) => ({ type }))],
  };
}

function samplingOf(params: Sampled | undefined): Sampling {
  return {
    size: params?.stat_subset_size,
    shuffle: params?.shuffle_data ?? false,
    seed: params?.seed ?? 0,
  };
}

type Sampled = Pick<Quantizing["params"], "stat_subset_size" | "shuffle_data" | "seed">;

type Quantizing = Extract<
  AlgorithmConfiguration,
  { name: "TunableQuantization" | "MinMaxQuantization" | "DefaultQuantization" }
>;

function isQuantizing(algorithm: AlgorithmConfiguration): algorithm is Quantizing {
  return (
    algorithm.name === "TunableQuantization" ||
    algorithm.name === "MinMaxQuantization" ||
    algorithm.name === "DefaultQuantization"
  );
}

function tensorOverrides(pinned: PinnedQuantization | PinnedWeights | undefined): TensorOverrides {
  const rangeEstimator = estimatorOverrides(pinned?.range_estimator);
  return {
    ...(pinned?.bits === undefined ? {} : { bits: pinned.bits }),
    ...(pinned?.mode === undefined ? {} : { mode: pinned.mode }),
    ...(pinned?.granularity === undefined ? {} : { granularity: pinned.granularity }),
    ...(pinned !== undefined && "codes" in pinned && pinned.codes !== undefined
      ? { codes: pinned.codes }
      : {}),
    ...(pinned?.level_low === undefined || pinned.level_high === undefined
      ? {}
      : { levels: { low: pinned.level_low, high: pinned.level_high } }),
    ...(rangeEstimator === undefined ? {} : { rangeEstimator }),
  };
}

function estimatorOverrides(
  estimator: RangeEstimatorConfiguration | undefined,
): EstimatorOverrides | undefined {
  if (estimator === undefined) return undefined;
  return {
    preset: estimator.preset,
    ...(estimator.min === undefined ? {} : { min: side(estimator.min) }),
    ...(estimator.max === undefined ? {} : { max: side(estimator.max) }),
  };
}

type Side = NonNullable<RangeEstimatorConfiguration["min"] | RangeEstimatorConfiguration["max"]>;

function side({
  type,
  aggregator,
  outlier_prob,
  clipping_value,
}: Side): NonNullable<EstimatorOverrides["max"]> {
  return {
    ...(type === undefined ? {} : { type }),
    ...(aggregator === undefined ? {} : { aggregator }),
    ...(outlier_prob === undefined ? {} : { outlierProb: outlier_prob }),
    ...(clipping_value === undefined ? {} : { clippingValue: clipping_value }),
  };
}
