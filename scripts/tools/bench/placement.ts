import { join } from "node:path";
import { parseArgs } from "node:util";
import { validateConfiguration } from "../../../shared/configuration/parse.js";
import { quantizationSettings } from "../../../shared/configuration/quantization-settings.js";
import type { RunConfigurationInput } from "../../../shared/configuration/schema.js";
import { openSubject } from "../../../shared/evaluation/model/tunable-model.js";
import { findMatches } from "../../../shared/quantization/graph/ignored/node-pattern.js";
import { IGNORED_PATTERNS } from "../../../shared/quantization/graph/ignored/patterns.js";
import { quantize } from "../../api/quantize.js";
import { scoredAgainstFloat } from "./tuning/against-float.js";
import { metricOf, printModelTable } from "./tuning/model-table.js";
import { type BenchModel, loadBenchModels } from "./tuning/models.js";

/**
 * `npm run bench:placement -- [--models a,b]`: the effect of each of POT's ignored patterns, of all of them,
 * and of `model_type: "transformer"` on the number of integer kernels and on accuracy, on the evaluation
 * samples.
 */
const { values } = parseArgs({ options: { models: { type: "string" } } });

const PRESETS = ["performance", "mixed"] as const;

/** Default range estimators of POT (OpenVINO's quantization tool), so that only the placement of quantizers differs. */
const REFERENCE_RANGES = { range_estimator: { preset: "default" as const } };

/** A variant to measure: changes to the model's own configuration. */
interface Variant {
  readonly title: string;
  readonly compression?: Partial<RunConfigurationInput["compression"] & object>;
  readonly params?: Readonly<Record<string, unknown>>;
}

const HEAD = ["quantize", "preset", "in float", "nodes", "float", "quantized", "dB", "products", "integer"];

await printModelTable(HEAD, async function* (folder, scratch) {
  for (const model of loadBenchModels(folder, values.models?.split(","))) {
    const { name, directory, configuration } = model;
    const float = await metricOf(join(directory, configuration.model.model), configuration, directory);
    for (const preset of PRESETS) {
      for (const { nodes, ...variant } of await variants(model)) {
        const asked = varied(configuration, preset, variant);
        const made = await quantize({ configuration: asked, directory }, { out: join(scratch, name) });
        const { integer, quantized } = made.integerKernels;
        yield [
          name,
          preset,
          variant.title,
          nodes || "",
          float.toFixed(4),
          (await metricOf(made.model, asked, directory)).toFixed(4),
          (await metricOf(made.model, scoredAgainstFloat(asked), directory)).toFixed(2),
          `${Math.round(100 * made.quantizedShare.byCount)} %`,
          `${integer} of ${quantized}`,
        ];
      }
    }
  }
});

/**
 * The variants of a model: POT's ignored patterns that contain quantizable nodes are enabled one by one, by
 * ignoring these nodes by name.
 */
async function variants(model: BenchModel): Promise<(Variant & { readonly nodes: number })[]> {
  const { configuration } = validateConfiguration(model.configuration, model);
  const path = join(model.directory, configuration.model.model);
  const { view, layout } = await openSubject(path, {
    ...quantizationSettings(configuration),
    ignoredPatterns: "none",
  });
  const byName = new Map<string, Set<string>>();
  for (const pattern of IGNORED_PATTERNS) {
    const found = [...findMatches(pattern, view.index)];
    if (!found.some((node) => layout.ops.has(node.output[0] ?? ""))) continue;
    byName.set(
      pattern.name,
      new Set([...(byName.get(pattern.name) ?? []), ...found.map(({ name }) => name)]),
    );
  }
  const none = { ignored_patterns: "none" };
  return [
    { title: "none", nodes: 0, params: none },
    ...[...byName].map(([title, names]) => ({
      title,
      nodes: names.size,
      params: { ...none, ignored: { scope: [...names] } },
    })),
    { title: "runtime", nodes: 0, params: { ignored_patterns: "runtime" } },
    { title: "pot", nodes: 0, params: { ignored_patterns: "pot" } },
    {
      title: 'none, model_type "transformer"',
      nodes: 0,
      params: none,
      compression: { model_type: "transformer" },
    },
  ];
}

function varied(
  configuration: RunConfigurationInput,
  preset: (typeof PRESETS)[number],
  { compression, params }: Variant,
): RunConfigurationInput {
  const given = configuration.compression ?? {};
  const algorithms = (given.algorithms ?? []).flatMap((algorithm) =>
    algorithm.name === "TunableQuantization"
      ? [{ ...algorithm, params: { ...algorithm.params, ...REFERENCE_RANGES, ...params, preset } }]
      : [],
  );
  return {
    ...configuration,
    compression: { ...given, model_type: null, ...compression, algorithms },
  };
}
