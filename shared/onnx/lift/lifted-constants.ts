import type { GraphProto, NodeProto } from "onnx-buf";
import type { NewNames } from "../model/new-names.js";
import { DataType, floatValues, makeTensor } from "../model/tensor.js";

/** A graph's constants, to which lifting adds those that replace attributes. */
export class LiftedConstants {
  /** @param names unused in the whole model, as a name in a nested graph must not shadow an outer one */
  constructor(
    private readonly graph: GraphProto,
    readonly names: NewNames,
  ) {}

  /** The values of a FLOAT constant, from an initializer or a Constant node. */
  values(name: string): Float32Array | undefined {
    const constant = this.graph.node.find(
      ({ opType, output }) => opType === "Constant" && output[0] === name,
    );
    const tensor =
      this.graph.initializer.find((initializer) => initializer.name === name) ??
      constant?.attribute.find((attribute) => attribute.name === "value")?.t;
    return tensor?.dataType === DataType.FLOAT ? floatValues(tensor) : undefined;
  }

  ints(values: readonly bigint[]): string {
    return this.#add(DataType.INT64, [values.length], BigInt64Array.from(values));
  }

  float(value: number): string {
    return this.#add(DataType.FLOAT, [], Float32Array.of(value));
  }

  floats(values: readonly number[]): string {
    return this.#add(DataType.FLOAT, [values.length], Float32Array.from(values));
  }

  #add(type: DataType, dims: number[], data: Float32Array | BigInt64Array): string {
    const name = this.names.name("lifted_constant");
    this.graph.initializer.push(makeTensor(name, type, dims, data));
    return name;
  }
}

export function setInput(node: NodeProto, index: number, name: string): void {
  while (node.input.length <= index) node.input.push("");
  node.input[index] = name;
}
