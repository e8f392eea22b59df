/** The ops whose constant operand is worth quantizing: products of activations and weights. */
export const WEIGHTED_TYPES: ReadonlySet<string> = new Set(["Conv", "ConvTranspose", "Gemm", "MatMul"]);

/** Ops whose products stand inside, where no quantizer can. */
export const RECURRENT_TYPES: ReadonlySet<string> = new Set(["GRU", "LSTM", "RNN"]);
