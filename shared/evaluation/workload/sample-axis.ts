import { moveAxis } from "../../data/move-axis.js";
import type { ModelOutputs } from "../../metrics/metric.js";
import { asNumbers } from "../../runtime/element-type.js";
import type { TensorValue } from "../../runtime/tensor.js";

/**
 * The axis of an output that counts the samples of a batch; "whole" where the batch has one sample and the output
 * no such axis. `undefined` where an output of several samples cannot be split into samples.
 */
export type SampleAxis = number | "whole" | undefined;

export type SampleAxes = ReadonlyMap<string, SampleAxis>;

/**
 * The sample axis of each output of a model that takes any number of samples: the axis that grows with the
 * batch, whatever the model calls it.
 *
 * @param one the outputs for one sample
 * @param two the outputs for two samples; `undefined` where the model cannot be run on two samples at once
 */
export function axesOfAnyBatch(one: ModelOutputs, two: ModelOutputs | undefined): SampleAxes {
  return new Map(
    Object.entries(one).map(([name, { dims }]) => {
      const doubled = two?.[name]?.dims;
      if (doubled?.length !== dims.length) return [name, undefined];
      const grown = dims.flatMap((length, axis) => (doubled[axis] === length ? [] : [axis]));
      const [axis] = grown;
      const counts = grown.length === 1 && dims[axis!] === 1 && doubled[axis!] === 2;
      return [name, counts ? axis : undefined];
    }),
  );
}

/**
 * The sample axis of each output of a model that takes batches of `size` samples: the axis of that length
 * along which the first sample's part stays as it is when the others change. Other axes may have that length
 * too, such as that of the classes.
 *
 * @param others the outputs when all samples but the first are other ones
 */
export function axesOfFixedBatch(outputs: ModelOutputs, others: ModelOutputs, size: number): SampleAxes {
  return new Map(
    Object.entries(outputs).map(([name, output]) => {
      const candidates = output.dims.flatMap((length, axis) => (length === size ? [axis] : []));
      const changed = others[name]!;
      const kept = isAlike(output, changed)
        ? []
        : candidates.filter((axis) => isAlike(firstAlong(output, axis), firstAlong(changed, axis)));
      if (kept.length === 1) return [name, kept[0]];
      // Equal outputs, or a model that mixes samples, do not show the axis; the first one is taken if its
      // length fits.
      return [name, candidates[0] === 0 ? 0 : undefined];
    }),
  );
}

function firstAlong(output: TensorValue, axis: number): TensorValue {
  return firstOf(moveAxis(output, axis, 0), 1);
}

/**
 * Largest difference of outputs that count as equal, relative to the largest value: kernels may sum in
 * another order when a sample is batched with other samples.
 */
const ROUNDING = 1e-3;

function isAlike(one: TensorValue, other: TensorValue): boolean {
  const [ours, theirs] = [asNumbers(one.type, one.data), asNumbers(other.type, other.data)];
  let largest = 0;
  let difference = 0;
  for (let index = 0; index < ours.length; index++) {
    largest = Math.max(largest, Math.abs(ours[index]!));
    difference = Math.max(difference, Math.abs(ours[index]! - theirs[index]!));
  }
  return ours.length === theirs.length && difference <= ROUNDING * largest;
}

/** The sample axis of each output for batches of one sample. */
export function axesOfOneSample(outputs: ModelOutputs): SampleAxes {
  return new Map(Object.entries(outputs).map(([name, { dims }]) => [name, wholeOrAxis(dims)]));
}

/**
 * The sample axis of an output of one sample: the first axis where its length is 1, else the only axis of
 * length 1, else "whole".
 */
function wholeOrAxis(dims: readonly number[]): SampleAxis {
  if (dims[0] === 1) return 0;
  const candidates = dims.flatMap((length, axis) => (length === 1 ? [axis] : []));
  return candidates.length === 1 ? candidates[0] : "whole";
}

/**
 * The outputs of the first `counted` samples of a batch, with the sample axis moved first; outputs without a
 * sample axis are left out.
 */
export function samplesFirst(outputs: ModelOutputs, axes: SampleAxes, counted: number): ModelOutputs {
  return Object.fromEntries(
    Object.entries(outputs).flatMap(([name, output]) => {
      const axis = axes.get(name);
      if (axis === undefined) return [];
      return [[name, axis === "whole" ? ofOneSample(output) : firstOf(moveAxis(output, axis, 0), counted)]];
    }),
  );
}

function ofOneSample({ type, dims, data }: TensorValue): TensorValue {
  return { type, dims: [1, ...dims], data };
}

function firstOf({ type, dims, data }: TensorValue, counted: number): TensorValue {
  const [samples = 1, ...rest] = dims;
  if (samples <= counted) return { type, dims, data };
  const kept = data.subarray(0, counted * (data.length / samples)) as TensorValue["data"];
  return { type, dims: [counted, ...rest], data: kept };
}
