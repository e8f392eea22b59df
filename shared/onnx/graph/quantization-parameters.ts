import type { TensorProto } from "onnx-buf";
import type { NewNames } from "../model/new-names.js";
import { DataType, makeTensor } from "../model/tensor.js";
import { type CodeType, codeTensor } from "./code-tensor.js";

/** Scales and zero points of a quantizer: one of each per tensor, or per channel along `axis`. */
interface Parameters {
  readonly dataType: CodeType;
  readonly scales: Float32Array;
  /** Zero points, one per scale; `undefined` when all are 0 and need not be written. */
  readonly zeroPoints: ArrayLike<number> | undefined;
  readonly axis: number | undefined;
}

/** Abbreviation of each code type in the name of a zero point. */
const TYPE_NAMES: Readonly<Record<CodeType, string>> = {
  [DataType.INT4]: "i4",
  [DataType.UINT4]: "u4",
  [DataType.INT8]: "i8",
  [DataType.UINT8]: "u8",
  [DataType.INT16]: "i16",
  [DataType.UINT16]: "u16",
  [DataType.INT32]: "i32",
};

/**
 * The initializers of a model's scales and zero points. Equal ones, but for INT8 zero points, are one initializer that
 * all consumers share. Names are short, because in a small model they take as many bytes as the codes: scales and
 * per-channel zero points are numbered, a zero point per tensor is named by its type and value (`u8_128`).
 */
export class QuantizationParameters {
  readonly #known = new Map<string, string>();
  #scales = 0;
  #zeroPoints = 0;

  constructor(private readonly names: NewNames) {}

  /**
   * The names of initializers that hold the given scales and zero points, which are the second and third input of
   * QuantizeLinear and DequantizeLinear, and those of the initializers that the model does not have yet.
   */
  of({ dataType, scales, zeroPoints, axis }: Parameters): {
    readonly names: readonly string[];
    readonly initializers: readonly TensorProto[];
  } {
    const shape = axis === undefined ? [] : [scales.length];
    const scale = this.#shared(makeTensor("", DataType.FLOAT, shape, scales), () => `s${++this.#scales}`);
    if (zeroPoints === undefined) return { names: [scale.name], initializers: scale.added };
    const tensor = codeTensor("", dataType, shape, zeroPoints);
    const wanted = (): string =>
      axis === undefined ? `${TYPE_NAMES[dataType]}_${zeroPoints[0]}` : `z${++this.#zeroPoints}`;
    // With `session.x64quantprecision` ONNX Runtime replaces INT8 zero points, once per reader, and fails on a shared one.
    const zeroPoint = dataType === DataType.INT8 ? this.#own(tensor, wanted) : this.#shared(tensor, wanted);
    return {
      names: [scale.name, zeroPoint.name],
      initializers: [...scale.added, ...zeroPoint.added],
    };
  }

  #own(tensor: TensorProto, wanted: () => string): { name: string; added: TensorProto[] } {
    tensor.name = this.names.name(wanted());
    return { name: tensor.name, added: [tensor] };
  }

  #shared(tensor: TensorProto, wanted: () => string): { name: string; added: TensorProto[] } {
    const content = Buffer.from(tensor.rawData).toString("latin1");
    const key = `${tensor.dataType} ${tensor.dims.join(" ")}: ${content}`;
    const known = this.#known.get(key);
    if (known !== undefined) return { name: known, added: [] };
    tensor.name = this.names.name(wanted());
    this.#known.set(key, tensor.name);
    return { name: tensor.name, added: [tensor] };
  }
}
