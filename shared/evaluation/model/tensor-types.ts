import { create } from "@bufbuild/protobuf";
import { ValueInfoProtoSchema } from "onnx-buf";
import type { Model } from "../../onnx/model/codec.js";
import { edited } from "../../onnx/model/edited.js";
import { bytesPerElement, isElementType } from "../../runtime/element-type.js";
import { openSession, type PortInfo, portsOf } from "../../runtime/session.js";

/** The types and shapes that ONNX Runtime infers; the shape is empty where the rank is unknown. */
export interface TensorTypes {
  readonly tensors: ReadonlyMap<string, PortInfo>;
  readonly inputs: readonly PortInfo[];
  readonly outputs: readonly PortInfo[];
}

/** Infers the type of every tensor of the top level, by opening a session that has all of them as outputs. */
export async function inferTypes(model: Model): Promise<TensorTypes> {
  const { graph } = model;
  const outputs = new Set(graph.output.map(({ name }) => name));
  const hidden = graph.node
    .flatMap(({ output }) => output)
    .filter((name) => name !== "" && !outputs.has(name));
  const revealing = edited(model, {
    graph: edited(graph, {
      output: [...graph.output, ...hidden.map((name) => create(ValueInfoProtoSchema, { name }))],
    }),
  });
  const session = await openSession(revealing, { graphOptimizationLevel: "disabled", intraOpNumThreads: 1 });
  try {
    const { inputs, outputs: made } = portsOf(session);
    const tensors = [...inputs, ...made];
    return {
      inputs,
      outputs: made.filter(({ name }) => outputs.has(name)),
      tensors: new Map(tensors.map((info) => [info.name, info])),
    };
  } finally {
    await session.release();
  }
}

/** The smallest size of a tensor in bytes: dimensions that are not fixed count as 1. */
export function leastBytes({ type, shape }: PortInfo): number {
  const elements = shape.reduce<number>(
    (product, dimension) => product * (typeof dimension === "number" && dimension >= 0 ? dimension : 1),
    1,
  );
  return elements * (isElementType(type) ? bytesPerElement(type) : 1);
}
