import type { GraphProto, SparseTensorProto } from "onnx-buf";
import { nestedGraphs } from "./attributes.js";
import { modelTensors } from "./model-tensors.js";
import { bytesPerElement, elementCount, tensorBytes } from "./tensor.js";

/** A size in bytes, and the tensor that takes most of it. */
export interface DeclaredSize {
  readonly bytes: number;
  readonly largest: string;
}

/** What the constants of a graph take when all of them are dense, as ONNX Runtime makes them. */
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
 * The most that the tensors of one inference take at a time, when each is given back after its last reader: a bound from
 * below, as bodies of control flow are left out and dimensions that are not fixed count as one.
 *
 * @param bytesOf of each tensor that the graph is given or makes
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
