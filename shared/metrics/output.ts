import { ConfigurationError, DataError } from "../basics/errors.js";
import type { ModelPort, TensorValue } from "../runtime/tensor.js";
import { nearest } from "../validation/requirement.js";
import type { ModelOutputs, Reference } from "./metric.js";

/**
 * The output that a metric scores: the configured one, otherwise the model's first.
 *
 * @throws {ConfigurationError} when the model has no such output
 */
export function chooseOutput(configured: string | undefined, outputs: readonly ModelPort[]): ModelPort {
  const chosen = configured === undefined ? outputs[0] : outputs.find(({ name }) => name === configured);
  if (chosen !== undefined) return chosen;
  if (configured === undefined) {
    // A model file without outputs is refused when it is read; this refuses a list of outputs from elsewhere.
    throw new DataError(
      "the model (model.model) has no outputs, so that nothing of it can be scored; export it with some.",
    );
  }
  const names = outputs.map(({ name }) => name);
  const meant = nearest(configured ?? "", names);
  const hint =
    meant === undefined ? `its outputs are ${names.join(", ")}.` : `did you mean ${JSON.stringify(meant)}?`;
  throw new ConfigurationError(
    `engine.metric.output is ${JSON.stringify(configured)}, which is no output of the model; ${hint}`,
    "engine.metric.output",
  );
}

/**
 * The output tensor of this name.
 *
 * @throws {DataError} when the session returned no such output
 */
export function outputNamed(outputs: ModelOutputs, name: string): TensorValue {
  const output = outputs[name];
  if (output === undefined) {
    throw new DataError(
      `the model to compare with has no output ${JSON.stringify(name)}, only ${Object.keys(outputs).join(", ")}; give a model whose outputs have the same names, or choose one that both have with engine.metric.output.`,
    );
  }
  return output;
}

/** A tensor's shape as messages show it, such as `[any, 3, 224]`. */
export function shapeOf(dims: readonly (number | string)[]): string {
  return `[${dims.map((axis) => (typeof axis === "number" ? axis : axis || "any")).join(", ")}]`;
}

/** The labels that outputs are compared with. Metrics that need labels always get them. */
export function labelsOf(reference: Reference) {
  if (reference.kind === "labels") return reference.labels;
  throw new TypeError("This metric compares with labels.");
}

/** The float model's outputs that outputs are compared with. Metrics that need them always get them. */
export function floatOutputsOf(reference: Reference): ModelOutputs {
  if (reference.kind === "float outputs") return reference.outputs;
  throw new TypeError("This metric compares with the float model's outputs.");
}

export function requireSameSamples(given: number, expected: number, name: string): void {
  if (given === expected) return;
  throw new DataError(
    `the model's output ${JSON.stringify(name)} has ${given} on its first axis for ${expected} samples; choose an output whose first axis counts samples with engine.metric.output.`,
  );
}
