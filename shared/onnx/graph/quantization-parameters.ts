import type { TensorProto } from "onnx-buf";
import type { NewNames } from "../model/new-names.js";
import { DataType, makeTensor } from "../model/tensor.js";
import { type CodeType, codeTensor } from "./code-tensor.js";

/** Scales and zero points of codes: one of each, or one a channel along `axis`. */
interface Parameters {
  readonly dataType: CodeType;
  readonly scales: Float32Array;
  /** `undefined` where all are 0 and none is to be written. */
  readonly zeroPoints: ArrayLike<number> | undefined;
  readonly axis: number | undefined;
}

/** How a type of codes is written in the name of a zero point. */
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
 * The scales and zero points in a model as initializers, of which equal ones are one that all its readers share. Their
 * names are short, since in a small model the names weigh as much as the codes: scales are numbered, a zero point is
 * called by its type and value (`u8_128`), and zero points a channel are numbered too.
 */
export class QuantizationParameters {
  readonly #known = new Map<string, string>();
  #scales = 0;
  #zeroPoints = 0;

  constructor(private readonly names: NewNames) {}

  /**
   * @returns what QuantizeLinear and DequantizeLinear take behind their first input, and those initializers of it that no
   * earlier call returned
   */
  of({ dataType, scales, zeroPoints, axis }: Parameters): {
    readonly names: readonly string[];
    readonly initializers: readonly TensorProto[];
  } {
    const shape = axis === undefined ? [] : [scales.length];
    const scale = this.#shared(makeTensor("", DataType.FLOAT, shape, scales), () => `s${++this.#scales}`);
    if (zeroPoints === undefined) return { names: [scale.name], initializers: scale.added };
    const zeroPoint = this.#shared(codeTensor("", dataType, shape, zeroPoints), () =>
      axis === undefined ? `${TYPE_NAMES[dataType]}_${zeroPoints[0]}` : `z${++this.#zeroPoints}`,
    );
    return {
      names: [scale.name, zeroPoint.name],
      initializers: [...scale.added, ...zeroPoint.added],
    };
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
