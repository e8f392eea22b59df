/** Fields of a `.npy` file built by hand, so that each of them can be wrong. */
export interface NpyFields {
  readonly descr: string;
  readonly shape: readonly number[];
  readonly data: ArrayBufferView;
  readonly fortranOrder?: boolean;
  readonly version?: 1 | 2 | 3;
}

export function npyBytes({ descr, shape, data, fortranOrder = false, version = 1 }: NpyFields): Uint8Array {
  const axes = shape.length === 1 ? `${shape[0]},` : shape.join(", ");
  const order = fortranOrder ? "True" : "False";
  const fields = `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': (${axes}), }`;
  return withHeader(fields, data, version);
}

export function withHeader(fields: string, data: ArrayBufferView, version = 1): Uint8Array {
  const prefix = version === 1 ? 10 : 12;
  const length = Math.ceil((prefix + fields.length + 1) / 64) * 64 - prefix;
  const header = Buffer.alloc(prefix + length, " ");
  header.write("\x93NUMPY", 0, "latin1");
  header[6] = version;
  header[7] = 0;
  if (version === 1) header.writeUInt16LE(length, 8);
  else header.writeUInt32LE(length, 8);
  header.write(`${fields}`, prefix, "latin1");
  header.write("\n", prefix + length - 1, "latin1");
  return Buffer.concat([header, Buffer.from(data.buffer, data.byteOffset, data.byteLength)]);
}
