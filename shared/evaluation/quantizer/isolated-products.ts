import { create } from "@bufbuild/protobuf";
import {
  type NodeProto,
  TypeProto_TensorSchema,
  TypeProtoSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from "onnx-buf";
import { GraphIndex } from "../../onnx/graph/graph-index.js";
import { nodeName } from "../../onnx/graph/node-names.js";
import { WEIGHTED_TYPES } from "../../onnx/graph/weighted-ops.js";
import type { Model } from "../../onnx/model/codec.js";
import { edited } from "../../onnx/model/edited.js";
import { NewNames } from "../../onnx/model/new-names.js";
import { DataType } from "../../onnx/model/tensor.js";

/** The products (Conv, MatMul, Gemm) of a quantized model, each isolated from the others. */
export interface IsolatedProducts {
  /** The quantized model with the codes (integer tensors) that its products read as additional outputs. */
  readonly revealing: Model;
  /**
   * A model of the unconnected products, each with codes (integer tensors) as inputs and float values as
   * output.
   */
  readonly isolated: Model;
  /**
   * For each input of the model `isolated` (`to`), the output of `revealing` that it is fed with (`from`).
   */
  readonly inputs: readonly { readonly from: string; readonly to: string }[];
  readonly products: readonly { readonly name: string; readonly type: string; readonly output: string }[];
}

/**
 * Takes the quantized products out of a QDQ model: Conv, MatMul and Gemm with the DequantizeLinear before each operand
 * and, where there is one, the QuantizeLinear behind. No error passes from one product to another.
 */
export function isolateProducts(model: Model): IsolatedProducts {
  const index = new GraphIndex(model.graph);
  const names = new NewNames(index.names);
  const nodes: NodeProto[] = [];
  const inputs = new Map<string, { readonly to: string; readonly type: DataType }>();
  const products: IsolatedProducts["products"][number][] = [];
  for (const product of index.nodes) {
    const operands = dequantizersOf(product, index);
    if (operands === undefined) continue;
    const ownInputs = operands.map((dequantizer) => {
      if (dequantizer === undefined) return undefined;
      const values = names.name(`${dequantizer.output[0]}/alone`);
      const [codes = "", ...parameters] = dequantizer.input;
      let read = codes;
      if (!index.initializers.has(codes)) {
        const type = index.initializers.get(parameters[1] ?? "")?.dataType ?? DataType.UINT8;
        const known = inputs.get(codes) ?? { to: names.name(`${codes}/alone`), type };
        inputs.set(codes, known);
        read = known.to;
      }
      nodes.push(edited(dequantizer, { name: "", input: [read, ...parameters], output: [values] }));
      return values;
    });
    const result = names.name(`${product.output[0]}/alone`);
    const input = ownInputs.map((own, i) => own ?? product.input[i]!);
    nodes.push(edited(product, { name: "", input, output: [result] }));
    const rounded = roundedOutput(product, index);
    let output = result;
    if (rounded !== undefined) {
      const [codes, values] = [names.name(`${result}/codes`), names.name(`${result}/values`)];
      const { quantize, dequantize, parameters } = rounded;
      nodes.push(edited(quantize, { name: "", input: [result, ...parameters], output: [codes] }));
      nodes.push(edited(dequantize, { name: "", input: [codes, ...parameters], output: [values] }));
      output = values;
    }
    products.push({ name: nodeName(product), type: product.opType, output });
  }
  const { graph } = model;
  const revealed = [...inputs.keys()].filter((codes) => !index.outputs.has(codes));
  return {
    revealing: edited(model, {
      graph: edited(graph, { output: [...graph.output, ...revealed.map((name) => valueInfo(name))] }),
    }),
    isolated: edited(model, {
      graph: edited(graph, {
        node: nodes,
        input: [...inputs.values()].map(({ to, type }) => valueInfo(to, type)),
        output: products.map(({ output }) => valueInfo(output)),
        valueInfo: [],
        quantizationAnnotation: [],
      }),
    }),
    inputs: [...inputs].map(([from, { to }]) => ({ from, to })),
    products,
  };
}

/**
 * The DequantizeLinear before each input of a product, `undefined` for a constant bias; `undefined` as a whole
 * where the product is not quantized.
 */
function dequantizersOf(product: NodeProto, index: GraphIndex): (NodeProto | undefined)[] | undefined {
  if (!WEIGHTED_TYPES.has(product.opType) || product.opType === "ConvTranspose") return undefined;
  const dequantizers = product.input.map((tensor) => {
    const producer = index.producer(tensor);
    return producer?.opType === "DequantizeLinear" ? producer : undefined;
  });
  const areOperands = dequantizers.slice(0, 2).every((dequantizer) => dequantizer !== undefined);
  const bias = product.input[2] ?? "";
  const isBias = bias === "" || dequantizers[2] !== undefined || index.initializers.has(bias);
  return areOperands && isBias ? dequantizers : undefined;
}

/**
 * The QuantizeLinear and DequantizeLinear behind a product (Conv, MatMul, Gemm); `undefined` if there are
 * none or its output has other readers.
 */
function roundedOutput(product: NodeProto, index: GraphIndex) {
  const readers = index.consumers(product.output[0]!);
  const quantize = readers[0]?.node;
  if (readers.length !== 1 || quantize?.opType !== "QuantizeLinear") return undefined;
  const dequantize = index
    .consumers(quantize.output[0]!)
    .find(({ node }) => node.opType === "DequantizeLinear")?.node;
  return dequantize && { quantize, dequantize, parameters: quantize.input.slice(1) };
}

function valueInfo(name: string, elemType?: DataType): ValueInfoProto {
  if (elemType === undefined) return create(ValueInfoProtoSchema, { name });
  const tensorType = create(TypeProto_TensorSchema, { elemType });
  const type = create(TypeProtoSchema, { value: { case: "tensorType", value: tensorType } });
  return create(ValueInfoProtoSchema, { name, type });
}
