import type { GraphProto, SparseTensorProto } from "onnx-buf";
import { nestedGraphs } from "./attributes.js";
import { modelTensors } from "./model-tensors.js";
import { bytesPerElement, elementCount, tensorBytes } from "./tensor.js";

/** A size in bytes, and the name of the tensor with the largest share of it. */
export interface DeclaredSize {
  readonly bytes: number;
  readonly largest: string;
}

/** Memory of a graph's constants in bytes, sparse ones counted as dense, because ONNX Runtime densifies them. */
export function constantSize(graph: GraphProto): DeclaredSize {
  const { dense, sparse } = modelTensors(graph);
  return total([
    ...[...dense].map((tensor) => ({ name: tensor.name, bytes: tensorBytes(tensor) })),
    ...[...sparse].map((tensor) => ({ name: tensor.values?.name ?? "", bytes: denseBytes(tensor) })),
  ]);
}

function denseBytes({ values, dims }: SparseTensorProto): number {
  return Math.ceil(elementCount(dims.map(Number)) * bytesPerElement(values?.dataType ?? 0));
}

function total(sizes: readonly { readonly name: string; readonly bytes: number }[]): DeclaredSize {
  let [bytes, most, largest] = [0, -1, ""];
  for (const size of sizes) {
    bytes += size.bytes;
    if (size.bytes > most) [most, largest] = [size.bytes, size.name];
  }
  return { bytes, largest };
}

/**
 * Peak memory, in bytes, of the tensors alive during one inference, when each is freed after its last reader. A
 * lower bound: bodies of control flow are not counted, and dynamic dimensions count as one.
 *
 * @param bytesOf bytes of each tensor that is an input of the graph or made in it
 */
export function inferenceSize(graph: GraphProto, bytesOf: (tensor: string) => number): DeclaredSize {
  const readers = new Map<string, number>();
  const read = (name: string): void => {
    readers.set(name, (readers.get(name) ?? 0) + 1);
  };
  const constants = new Set(graph.initializer.map(({ name }) => name));
  const inputs = graph.input.map(({ name }) => name).filter((name) => !constants.has(name));
  for (const { name } of [...graph.output, ...graph.input]) read(name);
  for (const node of graph.node) readsOf(node).forEach(read);
  const live = new Map(inputs.map((name) => [name, bytesOf(name)]));
  let bytes = [...live.values()].reduce((sum, size) => sum + size, 0);
  let most = bytes;
  let largest = largestOf(live);
  for (const node of graph.node) {
    for (const name of node.output) {
      if (name === "") continue;
      live.set(name, bytesOf(name));
      bytes += live.get(name)!;
    }
    if (bytes > most) [most, largest] = [bytes, largestOf(live)];
    for (const name of [...readsOf(node), ...node.output]) {
      const left = readers.get(name) ?? 0;
      if (left > 0 && !node.output.includes(name)) readers.set(name, left - 1);
      if ((readers.get(name) ?? 0) > 0) continue;
      bytes -= live.get(name) ?? 0;
      live.delete(name);
    }
  }
  return { bytes: most, largest };
}

function readsOf(node: GraphProto["node"][number]): string[] {
  const nested = nestedGraphs(node).flatMap((body) => body.node.flatMap(readsOf));
  return [...node.input, ...nested].filter((name) => name !== "");
}

function largestOf(sizes: ReadonlyMap<string, number>): string {
  return total([...sizes].map(([name, bytes]) => ({ name, bytes }))).largest;
}
