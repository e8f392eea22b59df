/** Op types whose constant operand is quantized: products of activations and weights. */
export const WEIGHTED_TYPES: ReadonlySet<string> = new Set(["Conv", "ConvTranspose", "Gemm", "MatMul"]);

/** Op types that multiply by weights internally, where no quantizer can be placed. */
export const RECURRENT_TYPES: ReadonlySet<string> = new Set(["GRU", "LSTM", "RNN"]);
