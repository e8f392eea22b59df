import { create } from "@bufbuild/protobuf";
import { type GraphProto, type NodeProto, OperatorSetIdProtoSchema } from "onnx-buf";
import { ModelError } from "../errors.js";
import { nestedGraphs } from "./attributes.js";
import { isStandardDomain, type Model, opsetVersion } from "./codec.js";
import { collectNames } from "./graph-index.js";
import { LiftedConstants } from "./lifted-constants.js";
import { NewNames } from "./new-names.js";
import { liftNodeTo13 } from "./opset-13.js";
import { liftNodeTo21 } from "./opset-21.js";

/** Lifting starts here: older operator sets differ in broadcasting, which needs shapes to translate. */
const OLDEST_LIFTABLE = 7;

/** The operator sets that a model can be lifted to. */
export type LiftTarget = 13 | 21;

/** The IR version that came with each. */
const IR_VERSIONS: Readonly<Record<LiftTarget, bigint>> = { 13: 7n, 21: 10n };

/** No form that {@link liftNodeTo21} writes changed in later sets, so that those may stand beside it. */
const LIFTED_FOR_GOOD = 21;

/**
 * Brings a model of an older operator set to `target`, in place, by rewriting the nodes whose form changed in
 * between (attributes that became inputs). A node whose meaning changed is refused. Where functions brought nodes of
 * other sets than the graph's, all nodes come into one set, which may be newer than `target`.
 *
 * @param versions of nodes that are in another set than the graph imports
 * @throws {ModelError} when a node does not allow it
 */
export function liftOpset(
  model: Model,
  target: LiftTarget,
  origin: string,
  versions: ReadonlyMap<NodeProto, number> = new Map(),
): void {
  const imported = opsetVersion(model);
  const found = usedVersions(model.graph, imported, versions);
  const oldest = Math.min(...found);
  const newest = Math.max(...found);
  if (oldest >= target && oldest === newest && newest === imported) return;
  const goal = Math.max(newest, target) <= 13 ? 13 : oldest === newest ? target : LIFTED_FOR_GOOD;
  const refuse = (reason: string): never => {
    throw new ModelError(
      `${origin} uses operator set ${oldest}, quantizing needs ${goal}, and ${reason}; export the model with opset_version=${goal} or newer.`,
    );
  };
  if (oldest < OLDEST_LIFTABLE) refuse(`sets before ${OLDEST_LIFTABLE} cannot be lifted`);
  const names = new NewNames(collectNames(model.graph));
  liftGraph(model.graph, names, (node, constants) => {
    const version = versions.get(node) ?? imported;
    const lifted = version < 13 ? liftNodeTo13(node, version, constants, refuse) : [node];
    if (goal > 13 && version < goal) {
      for (const each of lifted) liftNodeTo21(each, Math.max(version, 13), constants, refuse);
    }
    return lifted;
  });
  const reached = Math.max(goal, newest);
  const irVersion = IR_VERSIONS[goal > 13 ? 21 : 13];
  if (model.irVersion < irVersion) model.irVersion = irVersion;
  model.opsetImport = [
    ...model.opsetImport.filter(({ domain }) => !isStandardDomain(domain)),
    create(OperatorSetIdProtoSchema, { domain: "", version: BigInt(reached) }),
  ];
}

/** The default operator sets that nodes are in; the imported one where no node tells. */
function usedVersions(
  graph: GraphProto,
  imported: number,
  versions: ReadonlyMap<NodeProto, number>,
): ReadonlySet<number> {
  const used = new Set<number>();
  const visit = (nodes: readonly NodeProto[]): void => {
    for (const node of nodes) {
      if (isStandardDomain(node.domain)) used.add(versions.get(node) ?? imported);
      for (const body of nestedGraphs(node)) visit(body.node);
    }
  };
  visit(graph.node);
  return used.size === 0 ? new Set([imported]) : used;
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
