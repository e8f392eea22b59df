import { clone, create } from "@bufbuild/protobuf";
import {
  type AttributeProto,
  AttributeProtoSchema,
  type FunctionProto,
  type GraphProto,
  type NodeProto,
  NodeProtoSchema,
  type OperatorSetIdProto,
} from "onnx-buf";
import { ModelError } from "../../basics/errors.js";
import { collectNames } from "../graph/graph-index.js";
import { nodeName } from "../graph/node-names.js";
import { OPERATOR_TYPES } from "../graph/operator-types.js";
import { nestedGraphs } from "../model/attributes.js";
import { isStandardDomain, type Model } from "../model/codec.js";
import { edited } from "../model/edited.js";
import { NewNames } from "../model/new-names.js";

/** Domains whose ops ONNX Runtime has itself, which it takes before a function of the same name. */
const RUNTIME_DOMAINS: ReadonlySet<string> = new Set(["ai.onnx.ml", "com.microsoft"]);

/** Where a graph imports no default operator set, ONNX Runtime reads it in the newest; no form changed since this one. */
const ASSUMED_VERSION = 21n;

/** Functions that call others twice each grow a small file beyond any memory. */
const MOST_NODES = 1_000_000;

/**
 * Puts the bodies of the model's local functions in the place of their calls, in place, as ONNX Runtime does when it
 * loads a model. What knows the graph alone would otherwise miss what happens in them. The graph's version of the default
 * operator set holds for them too, whatever they import themselves: ONNX Runtime 1.30 takes them so (measured).
 *
 * @param origin how errors name the model
 * @throws {ModelError} when a function calls itself, or the calls grow without bounds
 */
export function inlineFunctions(model: Model, origin: string): void {
  if (model.functions.length === 0) return;
  const kept = model.functions.filter(isShadowed);
  const inlined = model.functions.filter((fn) => !isShadowed(fn));
  const functions = new Map(inlined.map((fn) => [functionKey(fn), fn]));
  requireBounded([model.graph, ...kept], functions, origin);
  const inliner = new Inliner(functions, new NewNames(collectNames(model.graph)));
  inliner.expand(model.graph);
  for (const fn of kept) inliner.expand(fn);
  for (const { opsetImport } of inlined) importDomains(model, opsetImport);
  model.functions = kept;
}

/** Beyond it a name says no more, and records of runs could not hold it. */
const LONGEST_MADE_NAME = 240;

/** Whether ONNX Runtime has an op in the place of the function, or may have one: calls are left to it then. */
function isShadowed({ domain, name }: FunctionProto): boolean {
  return isStandardDomain(domain) ? OPERATOR_TYPES.has(name) : RUNTIME_DOMAINS.has(domain);
}

type Functions = ReadonlyMap<string, FunctionProto>;

function functionKey({
  domain,
  name,
  overload,
}: Pick<FunctionProto, "domain" | "name" | "overload">): string {
  return JSON.stringify([isStandardDomain(domain) ? "" : domain, name, overload]);
}

function calledBy({ domain, opType, overload }: NodeProto, functions: Functions): FunctionProto | undefined {
  return functions.get(functionKey({ domain, name: opType, overload }));
}

/** Adds the domains that functions import, each in the newest version that is asked for. */
function importDomains(model: Model, imports: readonly OperatorSetIdProto[]): void {
  for (const wanted of imports) {
    if (isStandardDomain(wanted.domain) && model.opsetImport.some(({ domain }) => isStandardDomain(domain))) {
      continue;
    }
    const isStandard = isStandardDomain(wanted.domain);
    const version = isStandard && wanted.version < ASSUMED_VERSION ? ASSUMED_VERSION : wanted.version;
    const known = model.opsetImport.findLast(({ domain }) => domain === wanted.domain);
    if (known === undefined) model.opsetImport.push(edited(wanted, { version }));
    else if (known.version < version) known.version = version;
  }
}

/** @throws {ModelError} before anything is copied */
function requireBounded(
  callers: readonly Pick<GraphProto, "node">[],
  functions: Functions,
  origin: string,
): void {
  const sizes = new Map<FunctionProto, number>();
  const open = new Set<FunctionProto>();
  const sizeOf = (nodes: readonly NodeProto[]): number => {
    let size = 0;
    for (const node of nodes) {
      const fn = calledBy(node, functions);
      size += fn === undefined ? 1 : sizeOfFunction(fn);
      for (const body of nestedGraphs(node)) size += sizeOf(body.node);
    }
    return size;
  };
  const sizeOfFunction = (fn: FunctionProto): number => {
    const known = sizes.get(fn);
    if (known !== undefined) return known;
    if (open.has(fn)) {
      throw new ModelError(
        `${origin} has a local function "${fn.name}" that calls itself; export the model without it.`,
      );
    }
    open.add(fn);
    const size = sizeOf(fn.node);
    open.delete(fn);
    sizes.set(fn, size);
    return size;
  };
  const size = callers.reduce((sum, { node }) => sum + sizeOf(node), 0);
  if (size > MOST_NODES) {
    throw new ModelError(
      `${origin} has local functions that make ${size} nodes of its calls, more than the ${MOST_NODES} that are taken; export the model with fewer calls.`,
    );
  }
}

/** What the names and attributes of a function's body stand for in one call. */
interface Call {
  /** Formal inputs and outputs by what the call gives; an input that is left out is empty. */
  readonly tensors: ReadonlyMap<string, string>;
  /** The call's attributes, and the function's defaults for those that it leaves out. */
  readonly attributes: ReadonlyMap<string, AttributeProto>;
  readonly prefix: string;
}

class Inliner {
  constructor(
    private readonly functions: Functions,
    private readonly names: NewNames,
  ) {}

  expand(graph: Pick<GraphProto, "node">): void {
    graph.node = graph.node.flatMap((node) => this.#expanded(node));
  }

  #expanded(node: NodeProto): NodeProto[] {
    for (const body of nestedGraphs(node)) this.expand(body);
    const fn = calledBy(node, this.functions);
    if (fn === undefined) return [node];
    return this.#bodyOf(fn, node).flatMap((inner) => this.#expanded(inner));
  }

  #bodyOf(fn: FunctionProto, node: NodeProto): NodeProto[] {
    const tensors = new Map(fn.input.map((name, i) => [name, node.input[i] ?? ""]));
    // A function may hand on an input, or give one tensor under two names: those are copied behind the body.
    const copies: { readonly from: string; readonly to: string }[] = [];
    fn.output.forEach((name, i) => {
      const given = node.output[i] ?? "";
      if (given === "") return;
      const known = tensors.get(name);
      if (known === undefined) tensors.set(name, given);
      else copies.push({ from: known, to: given });
    });
    const defaults = fn.attributeProto.map((attribute) => [attribute.name, attribute] as const);
    const given = node.attribute.map((attribute) => [attribute.name, attribute] as const);
    const call: Call = {
      tensors,
      attributes: new Map([...defaults, ...given]),
      prefix: nodeName(node),
    };
    return [
      ...this.#renamed(fn.node, call),
      ...copies.map(({ from, to }) =>
        create(NodeProtoSchema, {
          opType: "Identity",
          name: this.#name(`${call.prefix}/Identity`),
          input: [from],
          output: [to],
        }),
      ),
    ];
  }

  /** A free name; calls within calls make long ones, of which the middle goes. */
  #name(wanted: string): string {
    const isLong = wanted.length > LONGEST_MADE_NAME;
    const half = LONGEST_MADE_NAME / 2;
    return this.names.name(isLong ? `${wanted.slice(0, half)}...${wanted.slice(-half)}` : wanted);
  }

  /** The nodes in the call's terms; every tensor that is made inside gets a name that nobody else has. */
  #renamed(nodes: readonly NodeProto[], { tensors: outer, ...call }: Call): NodeProto[] {
    const tensors = new Map(outer);
    for (const name of nodes.flatMap(({ output }) => output)) {
      if (name !== "" && !tensors.has(name)) tensors.set(name, this.#name(`${call.prefix}/${name}`));
    }
    const inside = { ...call, tensors };
    return nodes.map((node) => {
      return edited(node, {
        name: this.#name(`${call.prefix}/${nodeName(node)}`),
        input: node.input.map((name) => tensors.get(name) ?? name),
        output: node.output.map((name) => tensors.get(name) ?? name),
        attribute: node.attribute.flatMap((attribute) => this.#attribute(attribute, inside)),
      });
    });
  }

  /** A reference to an attribute of the function takes its value, or goes where the call gives none. */
  #attribute(attribute: AttributeProto, call: Call): AttributeProto[] {
    if (attribute.refAttrName !== "") {
      const value = call.attributes.get(attribute.refAttrName);
      if (value === undefined) return [];
      // Several nodes may refer to one body, and each body is edited on its own later.
      const hasBody = value.g !== undefined || value.graphs.length > 0;
      return [edited(hasBody ? clone(AttributeProtoSchema, value) : value, { name: attribute.name })];
    }
    if (attribute.g === undefined && attribute.graphs.length === 0) return [attribute];
    return [
      edited(attribute, {
        ...(attribute.g === undefined ? {} : { g: this.#graph(attribute.g, call) }),
        graphs: attribute.graphs.map((graph) => this.#graph(graph, call)),
      }),
    ];
  }

  /** A body of control flow within a function: its own names are new, all others are the function's. */
  #graph(graph: GraphProto, call: Call): GraphProto {
    const own = [
      ...graph.input.map(({ name }) => name),
      ...graph.initializer.map(({ name }) => name),
      ...graph.sparseInitializer.map(({ values }) => values?.name ?? ""),
      ...graph.node.flatMap(({ output }) => output),
    ];
    const tensors = new Map(call.tensors);
    for (const name of new Set(own)) {
      if (name !== "") tensors.set(name, this.#name(`${call.prefix}/${name}`));
    }
    const rename = (name: string): string => tensors.get(name) ?? name;
    return edited(graph, {
      input: graph.input.map((info) => edited(info, { name: rename(info.name) })),
      output: graph.output.map((info) => edited(info, { name: rename(info.name) })),
      initializer: graph.initializer.map((tensor) => edited(tensor, { name: rename(tensor.name) })),
      sparseInitializer: graph.sparseInitializer.map((sparse) =>
        sparse.values === undefined
          ? sparse
          : edited(sparse, { values: edited(sparse.values, { name: rename(sparse.values.name) }) }),
      ),
      node: this.#renamed(graph.node, { ...call, tensors }),
      valueInfo: [],
    });
  }
}
