import type { GraphProto, NodeProto, TensorProto } from "onnx-buf";
import { nestedGraphs } from "../model/attributes.js";

export interface Consumer {
  readonly node: NodeProto;
  /** Index of the tensor among the node's inputs. */
  readonly input: number;
}

/**
 * Producers and consumers of each tensor at a graph's top level. The bodies of `If`, `Loop` and `Scan` are
 * not looked into; the outer tensors that they read are in `captured`.
 */
export class GraphIndex {
  readonly nodes: readonly NodeProto[];
  readonly initializers: ReadonlyMap<string, TensorProto>;
  readonly inputs: readonly string[];
  readonly outputs: ReadonlySet<string>;
  readonly captured: ReadonlySet<string>;
  /** Names of all tensors and nodes in the graph and in nested bodies. */
  readonly names: ReadonlySet<string>;
  readonly #producers = new Map<string, NodeProto>();
  readonly #consumers = new Map<string, Consumer[]>();

  constructor(readonly graph: GraphProto) {
    this.nodes = graph.node;
    this.initializers = new Map(graph.initializer.map((tensor) => [tensor.name, tensor]));
    this.inputs = graph.input.map(({ name }) => name).filter((name) => !this.initializers.has(name));
    this.outputs = new Set(graph.output.map(({ name }) => name));
    const captured = new Set<string>();
    for (const node of graph.node) {
      for (const name of node.output) {
        if (name !== "") this.#producers.set(name, node);
      }
      node.input.forEach((name, input) => {
        if (name === "") return;
        const consumers = this.#consumers.get(name);
        if (consumers === undefined) this.#consumers.set(name, [{ node, input }]);
        else consumers.push({ node, input });
      });
      for (const name of capturedTensors(node)) captured.add(name);
    }
    this.captured = captured;
    this.names = collectNames(graph);
  }

  producer(tensor: string): NodeProto | undefined {
    return this.#producers.get(tensor);
  }

  consumers(tensor: string): readonly Consumer[] {
    return this.#consumers.get(tensor) ?? [];
  }

  /** Whether the tensor is an output of the graph or is read in a nested body. */
  isVisibleOutside(tensor: string): boolean {
    return this.outputs.has(tensor) || this.captured.has(tensor);
  }
}

/** Names of all tensors and nodes in a graph and in nested bodies. */
export function collectNames(graph: GraphProto, names: Set<string> = new Set()): Set<string> {
  for (const { name } of [...graph.input, ...graph.initializer, ...graph.output]) names.add(name);
  for (const { values } of graph.sparseInitializer) names.add(values?.name ?? "");
  for (const node of graph.node) {
    for (const name of [node.name, ...node.output]) names.add(name);
    for (const body of nestedGraphs(node)) collectNames(body, names);
  }
  return names;
}

/** Names of the outer tensors that the bodies of a node (`If`, `Loop`, `Scan`) read. */
export function capturedTensors(node: NodeProto): ReadonlySet<string> {
  const captured = new Set<string>();
  for (const body of nestedGraphs(node)) collectCaptured(body, captured);
  return captured;
}

function collectCaptured(body: GraphProto, captured: Set<string>): void {
  const local = new Set([
    ...[...body.input, ...body.initializer].map(({ name }) => name),
    ...body.sparseInitializer.map(({ values }) => values?.name ?? ""),
  ]);
  for (const node of body.node) {
    for (const name of node.input) {
      if (name !== "" && !local.has(name)) captured.add(name);
    }
    for (const name of capturedTensors(node)) if (!local.has(name)) captured.add(name);
    for (const name of node.output) local.add(name);
  }
  for (const { name } of body.output) {
    if (!local.has(name)) captured.add(name);
  }
}
