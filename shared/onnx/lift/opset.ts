import { create } from "@bufbuild/protobuf";
import { type GraphProto, type NodeProto, OperatorSetIdProtoSchema } from "onnx-buf";
import { ModelError } from "../../basics/errors.js";
import { collectNames } from "../graph/graph-index.js";
import { nestedGraphs } from "../model/attributes.js";
import { isStandardDomain, type Model, opsetVersion } from "../model/codec.js";
import { NewNames } from "../model/new-names.js";
import { LiftedConstants } from "./lifted-constants.js";
import { liftNodeTo13 } from "./opset-13.js";
import { liftNodeTo21 } from "./opset-21.js";

/**
 * Oldest operator set that can be lifted: broadcasting in older ones can be translated only with known
 * shapes.
 */
const OLDEST_LIFTABLE = 7;

/** The operator sets that a model can be lifted to. */
export type LiftTarget = 13 | 21;

/** The IR version released with each operator set. */
const IR_VERSIONS: Readonly<Record<LiftTarget, bigint>> = { 13: 7n, 21: 10n };

/**
 * Rewrites a model of an older operator set for `target`, in place: nodes whose form changed in between
 * (attributes that became inputs) get the new form. A node whose meaning changed is refused.
 *
 * @throws {ModelError} when a node cannot be lifted
 */
export function liftOpset(model: Model, target: LiftTarget, origin: string): void {
  const version = opsetVersion(model);
  if (version >= target) return;
  const refuse = (reason: string): never => {
    throw new ModelError(
      `${origin} uses operator set ${version}, quantizing needs ${target}, and ${reason}; export the model with opset_version=${target} or newer.`,
    );
  };
  if (version < OLDEST_LIFTABLE) refuse(`sets before ${OLDEST_LIFTABLE} cannot be lifted`);
  const names = new NewNames(collectNames(model.graph));
  liftGraph(model.graph, names, (node, constants) => {
    const lifted = version < 13 ? liftNodeTo13(node, version, constants, refuse) : [node];
    if (target === 21) {
      for (const each of lifted) liftNodeTo21(each, Math.max(version, 13), constants, refuse);
    }
    return lifted;
  });
  if (model.irVersion < IR_VERSIONS[target]) model.irVersion = IR_VERSIONS[target];
  model.opsetImport = [
    ...model.opsetImport.filter(({ domain }) => !isStandardDomain(domain)),
    create(OperatorSetIdProtoSchema, { domain: "", version: BigInt(target) }),
  ];
}

function liftGraph(
  graph: GraphProto,
  names: NewNames,
  liftNode: (node: NodeProto, constants: LiftedConstants) => NodeProto[],
): void {
  const constants = new LiftedConstants(graph, names);
  graph.node = graph.node.flatMap((node) => {
    for (const body of nestedGraphs(node)) liftGraph(body, names, liftNode);
    return isStandardDomain(node.domain) ? liftNode(node, constants) : [node];
  });
}
