import { DataError } from "../../basics/errors.js";
import type { DataSection, ImagePreprocessing } from "../../configuration/engine-schema.js";
import type { RunConfiguration } from "../../configuration/schema.js";
import type { Dataset, DatasetOptions } from "../../data/dataset.js";
import { firstSamples } from "../../data/first-samples.js";
import { asNumbers, isFloating } from "../../runtime/element-type.js";
import { note, type RunWarning, warning } from "../../validation/warnings.js";

/** Number of samples of calibration and of evaluation whose input values are compared. */
const COMPARED_SAMPLES = 32;
/**
 * Largest ratio of the standard deviations of calibration and evaluation inputs without a warning; random
 * samples of the same data differ by less.
 */
const LARGEST_SPREAD_RATIO = 3;
/**
 * Largest difference of the means of calibration and evaluation inputs without a warning, in standard
 * deviations of the more widely spread of the two.
 */
const LARGEST_SHIFT = 1.5;
/**
 * The same two limits, but narrower, where the configuration gives calibration another scale, mean or std
 * than evaluation: random samples of the same data differ by about this much.
 */
const WRITTEN_OTHERWISE = { spreadRatio: 1.25, shift: 0.25 };

interface Sections {
  readonly calibration: Dataset;
  readonly evaluation: Dataset;
  readonly validation: Dataset | undefined;
  /** The data sections as the configuration has them. */
  readonly engine: Pick<RunConfiguration["engine"], "calibration" | "evaluation">;
}

/**
 * Returns warnings of probable mistakes in a run's data: calibration and evaluation that are preprocessed
 * differently, and samples that evaluation shares with another section.
 *
 * @throws DataError when the validation samples are the evaluation samples
 */
export async function dataWarnings({
  calibration,
  evaluation,
  validation,
  engine,
}: Sections): Promise<RunWarning[]> {
  const evaluated = new Set(await evaluation.sampleKeys());
  return [
    ...(await preprocessingWarnings(calibration, evaluation, engine)),
    ...imageWarnings(engine),
    ...sharedWarning("engine.calibration", await calibration.sampleKeys(), evaluated),
    ...(validation === undefined ? [] : validationWarnings(await validation.sampleKeys(), evaluated)),
  ];
}

function validationWarnings(keys: readonly string[], evaluated: ReadonlySet<string>): RunWarning[] {
  const distinct = new Set(keys);
  if (keys.length > 0 && distinct.size === evaluated.size && keys.every((key) => evaluated.has(key))) {
    throw new DataError(
      "engine.validation holds the samples of engine.evaluation, so that it could not show what choosing by them cost; give other samples, or leave validation out.",
    );
  }
  return sharedWarning("engine.validation", keys, evaluated);
}

function sharedWarning(
  section: string,
  keys: readonly string[],
  evaluated: ReadonlySet<string>,
): RunWarning[] {
  const shared = keys.filter((key) => evaluated.has(key)).length;
  if (shared === 0) return [];
  return [
    note(
      "shared-rows",
      `${shared} of the ${keys.length} samples of ${section} are samples of engine.evaluation as well, which flatters what is found; choose others with rows.`,
    ),
  ];
}

/**
 * Returns warnings that calibration and evaluation are preprocessed differently, for a command that uses only
 * one of the two; none where the other cannot be read.
 *
 * @param used the data section that the command has read
 * @param options for reading either section, without its path
 */
export async function otherSectionWarnings(
  used: { readonly calibration: Dataset } | { readonly evaluation: Dataset },
  engine: Sections["engine"],
  options: Omit<DatasetOptions, "path">,
): Promise<RunWarning[]> {
  const first = (section: DataSection | undefined, path: string): Promise<Dataset | undefined> =>
    firstSamples(section, COMPARED_SAMPLES, { ...options, path });
  const [calibration, evaluation] =
    "calibration" in used
      ? [used.calibration, await first(engine.evaluation, "engine.evaluation")]
      : [await first(engine.calibration, "engine.calibration"), used.evaluation];
  if (calibration === undefined || evaluation === undefined) return [];
  const seen = await preprocessingWarnings(calibration, evaluation, engine).catch(() => []);
  return [...seen, ...imageWarnings(engine)];
}

/**
 * Warns where the values of an input are distributed too differently in calibration and evaluation, as when
 * one of them lacks a scale, mean or std.
 */
async function preprocessingWarnings(
  calibration: Dataset,
  evaluation: Dataset,
  engine: Sections["engine"],
): Promise<RunWarning[]> {
  const [calibrated, evaluated] = [await distributions(calibration), await distributions(evaluation)];
  return [...calibrated].flatMap(([name, ours]) => {
    const theirs = evaluated.get(name);
    if (theirs === undefined) return [];
    const [narrow, wide] = [Math.min(ours.spread, theirs.spread), Math.max(ours.spread, theirs.spread)];
    const shift = Math.abs(ours.mean - theirs.mean);
    const limits = isWrittenOtherwise(engine, name)
      ? WRITTEN_OTHERWISE
      : { spreadRatio: LARGEST_SPREAD_RATIO, shift: LARGEST_SHIFT };
    if (wide <= limits.spreadRatio * narrow && shift <= limits.shift * wide) return [];
    return [
      warning(
        "calibration-preprocessing",
        `input ${JSON.stringify(name)} is ${described(ours)} in engine.calibration, but ${described(theirs)} in engine.evaluation, as if they were preprocessed differently; give both the same scale, mean and std.`,
      ),
    ];
  });
}

type Normalization = Pick<Partial<ImagePreprocessing>, "scale" | "mean" | "std">;

/** Whether the configuration gives an input another scale, mean or std in calibration than in evaluation. */
function isWrittenOtherwise({ calibration, evaluation }: Sections["engine"], name: string): boolean {
  const [ours, theirs] = [calibration, evaluation].map((section) => {
    const input = section?.inputs?.[name];
    const written: Normalization =
      section?.preprocess ?? (input !== undefined && "data" in input ? input : {});
    const { scale = 1, mean = [0], std = [1] } = written;
    return JSON.stringify([scale, mean, std]);
  });
  return ours !== theirs;
}

const DEFAULT_PREPROCESSING: Partial<ImagePreprocessing> = { channels: "RGB" };

/**
 * Warns where calibration and evaluation have another channel order, resize or crop of images, which hardly
 * shows in the distribution of their values.
 */
function imageWarnings({ calibration, evaluation }: Sections["engine"]): RunWarning[] {
  if (calibration?.images === undefined || evaluation?.images === undefined) return [];
  return (["channels", "resize", "crop"] as const).flatMap((key) => {
    const [given, other] = [calibration, evaluation].map(
      ({ preprocess }) => (preprocess ?? DEFAULT_PREPROCESSING)[key] ?? "left out",
    );
    if (given === other) return [];
    return [
      warning(
        "calibration-preprocessing",
        `preprocess.${key} is ${given} in engine.calibration, but ${other} in engine.evaluation; give both the same.`,
      ),
    ];
  });
}

interface Distribution {
  readonly mean: number;
  readonly spread: number;
}

function described({ mean, spread }: Distribution): string {
  return `${mean.toPrecision(3)} ± ${spread.toPrecision(3)}`;
}

/** Mean and standard deviation of each float input over the first samples of a data section. */
async function distributions(dataset: Dataset): Promise<ReadonlyMap<string, Distribution>> {
  const count = Math.min(COMPARED_SAMPLES, dataset.samples);
  const found = new Map<string, Distribution>();
  for (const [name, { type, data }] of Object.entries(await dataset.batch({ from: 0, to: count }))) {
    if (!isFloating(type) || data.length < COMPARED_SAMPLES) continue;
    const values = asNumbers(type, data);
    let [sum, squares] = [0, 0];
    for (const value of values) sum += value;
    const mean = sum / values.length;
    for (const value of values) squares += (value - mean) ** 2;
    found.set(name, { mean, spread: Math.sqrt(squares / values.length) });
  }
  return found;
}
