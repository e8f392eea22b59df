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

/** Domains in which ONNX Runtime's own op takes precedence over a local function of the same name. */
const RUNTIME_DOMAINS: ReadonlySet<string> = new Set(["ai.onnx.ml", "com.microsoft"]);

/**
 * Operator set of a graph that imports none: ONNX Runtime assumes its newest, and no op's form changed since
 * this one.
 */
const ASSUMED_VERSION = 21n;

/** Largest number of nodes after inlining: functions that each call another twice grow exponentially. */
const MAX_NODES = 1_000_000;

/**
 * Inlines the calls of the model's local functions, in place, as ONNX Runtime does when it loads a model, so
 * that graph analyses see the nodes inside. The functions' own imports of the default operator set are
 * ignored in favour of the graph's, as ONNX Runtime 1.30 does.
 *
 * @param origin how errors name the model
 * @throws {ModelError} when a function calls itself, or the calls expand to too many nodes
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

/** Longest name, in characters, that is made of nested calls; run records bound the length of names. */
const MAX_INLINED_NAME = 240;

/**
 * Whether ONNX Runtime has, or may have, an op of the function's name, in which case the call is left as it
 * is.
 */
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

/**
 * Adds the domains that the local functions import to those of the model, each in the newest version that a
 * function asks for.
 */
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

/**
 * Checks the number of nodes after inlining, before anything is copied.
 * @throws {ModelError} when a function calls itself or there are too many nodes
 */
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
  if (size > MAX_NODES) {
    throw new ModelError(
      `${origin} has local functions that make ${size} nodes of its calls, more than the ${MAX_NODES} that are taken; export the model with fewer calls.`,
    );
  }
}

/** The substitutions of one call: what the names and attributes in the function's body are replaced with. */
interface Call {
  /** Maps formal inputs and outputs to the call's tensors; an omitted input maps to "". */
  readonly tensors: ReadonlyMap<string, string>;
  /** The call's attributes, and the function's defaults for omitted ones. */
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
    // A function may return an input, or return one tensor under two names: an Identity copies those.
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

  /** Makes an unused name from a wanted one; long names of nested calls lose their middle part. */
  #name(wanted: string): string {
    const isLong = wanted.length > MAX_INLINED_NAME;
    const half = MAX_INLINED_NAME / 2;
    return this.names.name(isLong ? `${wanted.slice(0, half)}...${wanted.slice(-half)}` : wanted);
  }

  /** The nodes with the call's substitutions applied; each tensor made inside gets an unused name. */
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

  /**
   * An attribute of a node in a function's body: where it refers to an attribute of the function, the call's
   * value, or nothing when the call has none.
   */
  #attribute(attribute: AttributeProto, call: Call): AttributeProto[] {
    if (attribute.refAttrName !== "") {
      const value = call.attributes.get(attribute.refAttrName);
      if (value === undefined) return [];
      // Several nodes may refer to the same body, and each copy is edited separately later.
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

  /**
   * A body of control flow inside a function: names declared in the body become unused ones, others follow
   * the call.
   */
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
