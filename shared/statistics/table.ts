import { z } from "zod";
import type { SideEstimator } from "../quantization/range-estimator.js";
import { aggregate } from "./aggregator.js";
import { statisticName, statisticsOf } from "./requirement.js";

/** Keeps a damaged header from asking for more memory than any model's statistics need. */
const MAX_HEADER_BYTES = 64 * 2 ** 20;

const headerSchema = z.strictObject({
  samples: z.number().int().nonnegative(),
  columns: z.array(z.strictObject({ tensor: z.string(), statistic: z.string() })),
});

/**
 * Statistics of activations: a column for each tensor and statistic, a row for each sample in sample order, so that
 * shards are joined by laying their rows below each other and any aggregator can be applied later.
 */
export class StatisticsTable {
  readonly #columns = new Map<string, Float32Array>();

  /** @param rows one array of `columns.length` values a sample */
  constructor(
    readonly columns: readonly { readonly tensor: string; readonly statistic: string }[],
    rows: readonly Float32Array[],
  ) {
    columns.forEach(({ tensor, statistic }, c) => {
      this.#columns.set(
        columnKey(tensor, statistic),
        Float32Array.from(rows, (row) => row[c]!),
      );
    });
    this.samples = rows.length;
  }

  readonly samples: number;

  /** The values of a statistic, one a sample. */
  column(tensor: string, statistic: string): Float32Array {
    const column = this.#columns.get(columnKey(tensor, statistic));
    if (column === undefined)
      throw new Error(`The statistics have no column ${statistic} of tensor ${tensor}.`);
    return column;
  }

  /** One end of a tensor's range: a statistic aggregated over the samples. */
  estimate(
    tensor: string,
    side: "min" | "max",
    { type, aggregator, outlierProb = 0 }: SideEstimator,
  ): number {
    const [first, second] = statisticsOf(type, side, outlierProb).map((s) =>
      this.column(tensor, statisticName(s)),
    );
    const values =
      second === undefined ? first! : first!.map((low, i) => Math.max(Math.abs(low), Math.abs(second[i]!)));
    return aggregate(aggregator ?? "mean", values);
  }

  encode(): Uint8Array {
    const header = Buffer.from(JSON.stringify({ samples: this.samples, columns: this.columns }));
    const bytes = new Uint8Array(4 + header.length + 4 * this.samples * this.columns.length);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, header.length, true);
    bytes.set(header, 4);
    let offset = 4 + header.length;
    for (const { tensor, statistic } of this.columns) {
      for (const value of this.column(tensor, statistic)) {
        view.setFloat32(offset, value, true);
        offset += 4;
      }
    }
    return bytes;
  }

  /** @throws {Error} when the bytes are not a table */
  static decode(bytes: Uint8Array): StatisticsTable {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const headerBytes = bytes.byteLength >= 4 ? view.getUint32(0, true) : MAX_HEADER_BYTES + 1;
    if (headerBytes > MAX_HEADER_BYTES || 4 + headerBytes > bytes.byteLength) {
      throw new Error("The statistics record has no header; delete it, and it is gathered again.");
    }
    const header = headerSchema.parse(
      JSON.parse(Buffer.from(bytes.subarray(4, 4 + headerBytes)).toString("utf8")),
    );
    const { samples, columns } = header;
    if (bytes.byteLength !== 4 + headerBytes + 4 * samples * columns.length) {
      throw new Error("The statistics record is cut short; delete it, and it is gathered again.");
    }
    const rows = Array.from({ length: samples }, (_, row) =>
      Float32Array.from(columns, (_, c) => view.getFloat32(4 + headerBytes + 4 * (c * samples + row), true)),
    );
    return new StatisticsTable(columns, rows);
  }

  /** The shards' rows below each other. */
  static concatenate(shards: readonly StatisticsTable[]): StatisticsTable {
    const { columns } = shards[0]!;
    const rows = shards.flatMap((shard) =>
      Array.from({ length: shard.samples }, (_, row) =>
        Float32Array.from(columns, ({ tensor, statistic }) => shard.column(tensor, statistic)[row]!),
      ),
    );
    return new StatisticsTable(columns, rows);
  }
}

function columnKey(tensor: string, statistic: string): string {
  return `${statistic} ${tensor}`;
}
