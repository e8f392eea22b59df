import { createHash } from "node:crypto";
import * as z from "zod";
import { RunError } from "../basics/errors.js";
import { aggregate } from "./aggregator.js";
import { Histogram } from "./histogram.js";
import {
  type ChannelStatistic,
  channelStatisticsOf,
  isChannelStatistic,
  statisticName,
  statisticsOf,
} from "./requirement.js";
import type { Aggregator, StatisticEstimator, StatisticType } from "./statistic-type.js";

/**
 * Length of the SHA-256 of all bytes before it with which a stored table ends; damaged values could not be
 * detected otherwise.
 */
const DIGEST_BYTES = 32;
const HEADER_LENGTH_BYTES = 4;
const COLUMN_VALUE_BYTES = 4;
const COUNT_BYTES = 8;

const headerSchema = z.strictObject({
  samples: z.number().int().nonnegative(),
  columns: z.array(
    z.strictObject({
      tensor: z.string(),
      statistic: z.string(),
      width: z.number().int().positive().optional(),
    }),
  ),
  histograms: z.array(
    z.strictObject({
      tensor: z.string(),
      statistic: z.string(),
      exponent: z.number().int(),
      first: z.number().int(),
      bins: z.number().int().nonnegative(),
    }),
  ),
});

/** Describes a column of the statistics table: one statistic of one tensor. */
export interface StatisticsColumn {
  readonly tensor: string;
  readonly statistic: string;
  /** Number of values per sample: 1 when left out, more for statistics per channel. */
  readonly width?: number | undefined;
}

/** A histogram of a tensor's values over all samples. */
export interface TableHistogram {
  readonly tensor: string;
  readonly statistic: string;
  readonly histogram: Histogram;
}

/** @param name of the statistic with one histogram per channel */
export function channelHistogramName(name: string, channel: number): string {
  return `${name}/${channel}`;
}

/**
 * Statistics of activations: one column per tensor and statistic and one row per sample (or batch), in sample
 * order, plus histograms over all samples. Shards (parts of the samples) are joined by concatenating rows and
 * merging histograms, and any aggregator can be applied later.
 */
export class StatisticsTable {
  readonly #columns = new Map<string, Float32Array>();
  readonly #estimates = new Map<string, number>();
  readonly #channelEstimates = new Map<string, Float64Array>();
  readonly #histograms: ReadonlyMap<string, TableHistogram>;

  private constructor(
    readonly columns: readonly StatisticsColumn[],
    readonly samples: number,
    histograms: readonly TableHistogram[],
  ) {
    this.#histograms = new Map(
      histograms.map(({ tensor, statistic, histogram }) => [
        columnKey(tensor, statistic),
        { tensor, statistic, histogram },
      ]),
    );
    for (const { tensor, statistic, width = 1 } of columns) {
      this.#columns.set(columnKey(tensor, statistic), new Float32Array(samples * width));
    }
  }

  /** @param rows one array per sample: the values of all columns, concatenated */
  static ofRows(
    columns: readonly StatisticsColumn[],
    rows: readonly Float32Array[],
    histograms: readonly TableHistogram[] = [],
  ): StatisticsTable {
    const table = new StatisticsTable(columns, rows.length, histograms);
    rows.forEach((row, sample) => {
      table.#setRow(sample, row);
    });
    return table;
  }

  /**
   * Builds a table row by row, so that no second copy of the values is in memory.
   * @param rowOf returns the values of all columns for a sample, concatenated
   */
  static async gather(
    columns: readonly StatisticsColumn[],
    samples: number,
    rowOf: (sample: number) => Promise<Float32Array>,
    histograms: readonly TableHistogram[] = [],
  ): Promise<StatisticsTable> {
    const table = new StatisticsTable(columns, samples, histograms);
    for (let sample = 0; sample < samples; sample++) table.#setRow(sample, await rowOf(sample));
    return table;
  }

  /** The values of a tensor's statistic: one per sample, or [samples, channels]. */
  column(tensor: string, statistic: string): Float32Array {
    const column = this.#columns.get(columnKey(tensor, statistic));
    if (column === undefined)
      throw new Error(`The statistics have no column ${statistic} of tensor ${tensor}.`);
    return column;
  }

  /**
   * A non-finite value among a tensor's statistics (an infinite one in preference to NaN); `undefined` if
   * there is none.
   */
  notFinite(tensor: string): number | undefined {
    const found = this.columns
      .filter((column) => column.tensor === tensor)
      .flatMap(
        ({ statistic }) => this.column(tensor, statistic).find((value) => !Number.isFinite(value)) ?? [],
      );
    return found.find((value) => !Number.isNaN(value)) ?? found[0];
  }

  histogram(tensor: string, statistic: string): Histogram {
    const found = this.#histograms.get(columnKey(tensor, statistic));
    if (found === undefined) throw new Error(`The statistics have no ${statistic} of tensor ${tensor}.`);
    return found.histogram;
  }

  /** The histograms of a tensor's channels along an axis, one per channel. */
  channelHistograms(tensor: string, axis: number, channels: number): Histogram[] {
    const name = statisticName({ type: "channel_histogram", axis });
    return Array.from({ length: channels }, (_, c) => this.histogram(tensor, channelHistogramName(name, c)));
  }

  /** A tensor's statistic per channel, each channel's values aggregated over the samples. */
  channels(tensor: string, statistic: ChannelStatistic, aggregator: Aggregator): Float64Array {
    return this.#aggregateChannels(this.column(tensor, statisticName(statistic)), aggregator);
  }

  /** @param values a statistic's values, of shape [samples, channels] */
  #aggregateChannels(values: Float32Array, aggregator: Aggregator): Float64Array {
    const width = this.samples === 0 ? 0 : values.length / this.samples;
    const samples = new Float32Array(this.samples);
    return Float64Array.from({ length: width }, (_, channel) => {
      for (let sample = 0; sample < this.samples; sample++)
        samples[sample] = values[sample * width + channel]!;
      return aggregate(aggregator, samples);
    });
  }

  /**
   * One end of a tensor's quantization range: a statistic aggregated over the samples. Cached, as trials
   * request the same ones.
   */
  estimate(
    tensor: string,
    side: "min" | "max",
    { type, aggregator = "mean", outlierProb = 0 }: StatisticEstimator,
  ): number {
    const key = `${side} ${type} ${aggregator} ${outlierProb} ${tensor}`;
    let estimate = this.#estimates.get(key);
    if (estimate === undefined) {
      estimate = aggregate(aggregator, this.#values(tensor, side, type, outlierProb));
      this.#estimates.set(key, estimate);
    }
    return estimate;
  }

  /** One end of the quantization range of each channel along an axis; cached as {@link estimate}. */
  estimateChannels(
    tensor: string,
    side: "min" | "max",
    { type, aggregator = "mean", outlierProb = 0 }: StatisticEstimator,
    axis: number,
  ): Float64Array {
    const key = `${side} ${type} ${aggregator} ${outlierProb} ${axis} ${tensor}`;
    let estimate = this.#channelEstimates.get(key);
    if (estimate === undefined) {
      const asked = channelStatisticsOf(type, side, outlierProb, axis).filter(isChannelStatistic);
      const columns = asked.map((statistic) => this.column(tensor, statisticName(statistic)));
      estimate = this.#aggregateChannels(furthestOf(columns), aggregator);
      this.#channelEstimates.set(key, estimate);
    }
    return estimate;
  }

  /** The values of an estimator's statistic, one per sample. */
  #values(tensor: string, side: "min" | "max", type: StatisticType, outlierProb: number): Float32Array {
    return furthestOf(
      statisticsOf(type, side, outlierProb).map((s) => this.column(tensor, statisticName(s))),
    );
  }

  /** Serializes the table: header length, JSON header, columns, histograms, SHA-256. */
  encode(): Uint8Array {
    const histograms = [...this.#histograms.values()].map(({ histogram, ...named }) => {
      const { exponent, first, counts } = histogram.content();
      return { header: { ...named, exponent, first, bins: counts.length }, counts };
    });
    const header = Buffer.from(
      JSON.stringify({
        samples: this.samples,
        columns: this.columns,
        histograms: histograms.map((histogram) => histogram.header),
      }),
    );
    const values = HEADER_LENGTH_BYTES + header.length;
    const rows = COLUMN_VALUE_BYTES * this.samples * rowWidth(this.columns);
    const end = histograms.reduce((sum, { counts }) => sum + COUNT_BYTES * counts.length, values + rows);
    const bytes = new Uint8Array(end + DIGEST_BYTES);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, header.length, true);
    bytes.set(header, HEADER_LENGTH_BYTES);
    let offset = values;
    for (const { tensor, statistic } of this.columns) {
      for (const value of this.column(tensor, statistic)) {
        view.setFloat32(offset, value, true);
        offset += COLUMN_VALUE_BYTES;
      }
    }
    for (const { counts } of histograms) {
      for (const count of counts) {
        view.setFloat64(offset, count, true);
        offset += COUNT_BYTES;
      }
    }
    bytes.set(digest(bytes.subarray(0, end)), end);
    return bytes;
  }

  /**
   * Reads a table from the bytes of {@link encode}.
   * @param name of the record, for errors
   * @throws {RunError} when the bytes are damaged
   */
  static decode(bytes: Uint8Array, name: string): StatisticsTable {
    const end = bytes.byteLength - DIGEST_BYTES;
    if (end < HEADER_LENGTH_BYTES || !digest(bytes.subarray(0, end)).equals(bytes.subarray(end))) {
      throw new RunError(`The statistics record ${name} is damaged; delete it, and it is gathered again.`);
    }
    const view = new DataView(bytes.buffer, bytes.byteOffset, end);
    const values = HEADER_LENGTH_BYTES + view.getUint32(0, true);
    const { samples, columns, histograms } = headerSchema.parse(
      JSON.parse(Buffer.from(bytes.subarray(HEADER_LENGTH_BYTES, values)).toString("utf8")),
    );
    const rows = Array.from({ length: samples }, () => new Float32Array(rowWidth(columns)));
    let offset = values;
    let start = 0;
    for (const { width = 1 } of columns) {
      for (const row of rows) {
        for (let i = 0; i < width; i++, offset += COLUMN_VALUE_BYTES) {
          row[start + i] = view.getFloat32(offset, true);
        }
      }
      start += width;
    }
    return StatisticsTable.ofRows(
      columns,
      rows,
      histograms.map(({ bins, exponent, first, ...named }) => {
        const counts = Float64Array.from({ length: bins }, (_, i) =>
          view.getFloat64(offset + COUNT_BYTES * i, true),
        );
        offset += COUNT_BYTES * bins;
        return { ...named, histogram: Histogram.of({ exponent, first, counts }) };
      }),
    );
  }

  /**
   * Joins shards (tables of parts of the samples): concatenates their rows and merges their histograms.
   *
   * @throws {RunError} when the shards' columns differ
   */
  static concatenate(shards: readonly StatisticsTable[]): StatisticsTable {
    const { columns } = shards[0]!;
    if (shards.some((shard) => JSON.stringify(shard.columns) !== JSON.stringify(columns))) {
      throw new RunError(
        "The shards of the statistics have different columns; delete them, and they are gathered again.",
      );
    }
    const rows = shards.flatMap((shard) => shard.#rows());
    const histograms = [...shards[0]!.#histograms.values()].map(({ tensor, statistic }) => ({
      tensor,
      statistic,
      histogram: Histogram.merged(shards.map((shard) => shard.histogram(tensor, statistic))),
    }));
    return StatisticsTable.ofRows(columns, rows, histograms);
  }

  #setRow(sample: number, row: Float32Array): void {
    let start = 0;
    for (const values of this.#columns.values()) {
      const width = values.length / this.samples;
      for (let i = 0; i < width; i++) values[sample * width + i] = row[start + i]!;
      start += width;
    }
  }

  #rows(): Float32Array[] {
    const rows = Array.from({ length: this.samples }, () => new Float32Array(rowWidth(this.columns)));
    let start = 0;
    for (const { tensor, statistic, width = 1 } of this.columns) {
      const values = this.column(tensor, statistic);
      rows.forEach((row, sample) => {
        for (let i = 0; i < width; i++) row[start + i] = values[sample * width + i]!;
      });
      start += width;
    }
    return rows;
  }
}

/**
 * The values of a single column; of two columns (smallest and largest values) the larger magnitude for each
 * sample.
 */
function furthestOf([first, second]: readonly Float32Array[]): Float32Array {
  if (second === undefined) return first!;
  return first!.map((low, i) => Math.max(Math.abs(low), Math.abs(second[i]!)));
}

function rowWidth(columns: readonly StatisticsColumn[]): number {
  return columns.reduce((sum, { width = 1 }) => sum + width, 0);
}

function digest(content: Uint8Array): Buffer {
  return createHash("sha256").update(content).digest();
}

function columnKey(tensor: string, statistic: string): string {
  return `${statistic} ${tensor}`;
}
