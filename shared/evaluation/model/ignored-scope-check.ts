import { ConfigurationError } from "../../basics/errors.js";
import { OPERATOR_TYPES } from "../../onnx/graph/operator-types.js";
import { POT_OP_TYPES } from "../../quantization/graph/ignored/pot-op-types.js";
import { nearest } from "../../validation/requirement.js";
import type { Subject } from "./tunable-model.js";

/**
 * Checks that the configured `ignored` names only nodes and op types that exist.
 *
 * @param path the model's name in errors
 * @throws {ConfigurationError} when `ignored` names a node that the model does not have, or an op type that
 * neither ONNX, OpenVINO nor the model has
 */
export function requireKnownScope({ prepared, settings }: Subject, path: string): void {
  const scopes = [settings, ...settings.algorithms.map((each) => each.settings)].map(
    ({ ignored }) => ignored,
  );
  const types = new Set([
    ...OPERATOR_TYPES,
    ...POT_OP_TYPES,
    ...prepared.model.graph.node.map(({ opType }) => opType),
  ]);
  for (const { scope = [], operations = [] } of scopes) {
    const node = scope.find((name) => !prepared.nodeNames.has(name));
    if (node !== undefined) {
      throw unknown(
        "ignored.scope",
        node,
        `no node of ${path}`,
        prepared.nodeNames,
        "see inspect for its nodes",
      );
    }
    const type = operations.map((operation) => operation.type).find((name) => !types.has(name));
    if (type !== undefined) {
      const remedy = "give a type of ONNX or of OpenVINO";
      throw unknown("ignored.operations", type, "no op type of ONNX, OpenVINO or the model", types, remedy);
    }
  }
}

function unknown(
  place: string,
  name: string,
  what: string,
  known: ReadonlySet<string>,
  remedy: string,
): ConfigurationError {
  const near = nearest(name, [...known]);
  const ending = near === undefined ? `${remedy}.` : `did you mean "${near}"?`;
  return new ConfigurationError(`${place} names "${name}", which is ${what}; ${ending}`, place);
}
