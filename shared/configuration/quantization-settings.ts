import { ConfigurationError } from "../basics/errors.js";
import { activationChannelAlignment } from "../quantization/algorithms/activation-channel-alignment.js";
import {
  type Algorithm,
  type ConfiguredAlgorithm,
  settingsByKey,
} from "../quantization/algorithms/algorithm.js";
import { ALGORITHMS } from "../quantization/algorithms/algorithm-list.js";
import { ignoredScope, type Sampling, samplingOf } from "../quantization/algorithms/algorithm-parameters.js";
import { biasCorrection } from "../quantization/algorithms/bias-correction.js";
import { fastBiasCorrection } from "../quantization/algorithms/fast-bias-correction.js";
import { isDeviceName, type TargetDevice } from "../quantization/device/hardware.js";
import type { IgnoredScope } from "../quantization/graph/ignored/ignored-scope.js";
import type { PatternSet } from "../quantization/graph/ignored/nodes-in-float.js";
import type { SaturationFix } from "../quantization/graph/saturation-fix.js";
import type { TunedAlgorithm } from "../quantization/space/algorithm-space.js";
import type {
  EstimatorOverrides,
  TensorOverrides,
  TuningOptions,
} from "../quantization/space/tuning-options.js";
import {
  type AlgorithmConfiguration,
  isQuantizing,
  type PinnedQuantization,
  type PinnedWeights,
  type RangeEstimatorConfiguration,
} from "./compression-schema.js";
import type { RunConfiguration } from "./schema.js";
import { tunedAlgorithms } from "./tuned-algorithms.js";

/** The configuration's settings of quantization, in the types of shared/quantization. */
export interface QuantizationSettings {
  readonly targetDevice: TargetDevice;
  readonly options: TuningOptions;
  readonly ignored: IgnoredScope;
  /** Patterns of neighbouring ops that are left in float; those of the target device when omitted. */
  readonly ignoredPatterns?: PatternSet;
  readonly saturationFix: SaturationFix;
  /** Which of the calibration samples are used: how many, whether drawn at random, and with which seed. */
  readonly sampling: Sampling;
  /**
   * The algorithms other than the quantization, such as bias corrections, in the order in which they run, with
   * their settings in the base configuration (trial 1).
   */
  readonly algorithms: readonly ConfiguredAlgorithm[];
  /**
   * The algorithms that the search decides on (whether to apply one, or its setting), in the order of the
   * configuration.
   */
  readonly tunedAlgorithms: readonly TunedAlgorithm[];
}

/**
 * The settings that are hashed to detect results of another quantization: all but the options of tensors, the
 * sampling and the search's choices. Keys and their order must not change, as the hashes would.
 */
export function hashedSettings(settings: QuantizationSettings): Readonly<Record<string, unknown>> {
  const { options: _, sampling: __, tunedAlgorithms: ___, algorithms, ...others } = settings;
  return { ...others, ...settingsByKey(algorithms) };
}

/** Op types that `model_type: "transformer"` keeps in float. */
const TRANSFORMER_FLOAT_TYPES = ["Add", "Pow", "Squeeze", "Mul", "Sub", "ReduceMean"];

/**
 * The settings of a configuration that `requireSupported` has accepted. An algorithm without tuning scopes, such
 * as MinMaxQuantization, leaves nothing to tune.
 */
export function quantizationSettings({ compression }: RunConfiguration): QuantizationSettings {
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
    algorithms: configuredAlgorithms(compression.algorithms),
    tunedAlgorithms: tunedAlgorithms(compression.algorithms),
  };
}

/**
 * The target device of a configuration.
 *
 * @throws {ConfigurationError} when it is the path of a hardware file, which `withHardwareFile` should have
 * replaced by the file's content
 */
function targetDevice(device: RunConfiguration["compression"]["target_device"]): TargetDevice {
  if (typeof device !== "string" || isDeviceName(device)) return device;
  throw new ConfigurationError(
    `compression.target_device is the path ${device}, which has not been read; load the configuration by readConfiguration.`,
    "compression.target_device",
  );
}

/**
 * The algorithms other than the quantization that are listed or that DefaultQuantization includes, in the order in
 * which they run.
 */
function configuredAlgorithms(listed: readonly AlgorithmConfiguration[]): ConfiguredAlgorithm[] {
  const all = listed.flatMap((algorithm) => [
    algorithm,
    ...(algorithm.name === "DefaultQuantization" ? included(algorithm.params) : []),
  ]);
  return ALGORITHMS.flatMap((algorithm: Algorithm) =>
    all
      .filter(({ name }) => name === algorithm.name)
      .map(({ params }) => ({ algorithm, settings: algorithm.settingsOf(params) })),
  );
}

type ParametersOf<Name> = Extract<AlgorithmConfiguration, { name: Name }>["params"];

/** The algorithms that DefaultQuantization includes, with their parameters taken from its own. */
function included(
  params: ParametersOf<"DefaultQuantization">,
): { readonly name: string; readonly params: unknown }[] {
  const { use_fast_bias, threshold, apply_for_all_nodes, ignored } = params;
  const correction = use_fast_bias ? fastBiasCorrection : biasCorrection;
  return [
    { name: activationChannelAlignment.name, params },
    {
      name: correction.name,
      params: correction.parameters.parse({ threshold, apply_for_all_nodes, ignored }),
    },
  ];
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
