import { DataError } from "../../basics/errors.js";
import type { DataSection } from "../../configuration/engine-schema.js";
import type { Dataset, DatasetOptions } from "../../data/dataset.js";
import { firstSamples } from "../../data/first-samples.js";
import { asNumbers, isFloating } from "../../runtime/element-type.js";
import { note, type RunWarning, warning } from "../../validation/warnings.js";

/** Samples of each section whose values are compared. */
const COMPARED_SAMPLES = 32;
/** Data of one kind differ by less from one choice of samples to another. */
const LARGEST_SPREAD_RATIO = 3;
/** In standard deviations of the wider one. */
const LARGEST_SHIFT = 1.5;

interface Sections {
  readonly calibration: Dataset;
  readonly evaluation: Dataset;
  readonly validation: Dataset | undefined;
}

/**
 * What of a run's data is likely not meant, by what the sections hold and not by how they are written.
 *
 * @throws DataError when the validation samples are the evaluation samples
 */
export async function dataWarnings({ calibration, evaluation, validation }: Sections): Promise<RunWarning[]> {
  const evaluated = new Set(await evaluation.sampleKeys());
  return [
    ...(await preprocessingWarnings(calibration, evaluation)),
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
 * Of two sections of which a command uses only one; nothing where the other cannot be read.
 * @param options of both but for their paths
 */
export async function otherSectionWarnings(
  sections:
    | { readonly calibration: Dataset; readonly evaluation: DataSection | undefined }
    | { readonly calibration: DataSection | undefined; readonly evaluation: Dataset },
  options: Omit<DatasetOptions, "path">,
): Promise<RunWarning[]> {
  const open = async (name: "calibration" | "evaluation"): Promise<Dataset | undefined> => {
    const section: Dataset | DataSection | undefined = sections[name];
    if (section === undefined || "samples" in section) return section;
    return firstSamples(section, COMPARED_SAMPLES, { ...options, path: `engine.${name}` });
  };
  const [calibration, evaluation] = [await open("calibration"), await open("evaluation")];
  if (calibration === undefined || evaluation === undefined) return [];
  return preprocessingWarnings(calibration, evaluation).catch(() => []);
}

/** By the values that the model is fed: a scale, mean or std that one section lacks shows in them. */
async function preprocessingWarnings(calibration: Dataset, evaluation: Dataset): Promise<RunWarning[]> {
  const [calibrated, evaluated] = [await distributions(calibration), await distributions(evaluation)];
  return [...calibrated].flatMap(([name, ours]) => {
    const theirs = evaluated.get(name);
    if (theirs === undefined) return [];
    const [narrow, wide] = [Math.min(ours.spread, theirs.spread), Math.max(ours.spread, theirs.spread)];
    const shift = Math.abs(ours.mean - theirs.mean);
    if (wide <= LARGEST_SPREAD_RATIO * narrow && shift <= LARGEST_SHIFT * wide) return [];
    return [
      warning(
        "calibration-preprocessing",
        `input ${JSON.stringify(name)} is ${described(ours)} in engine.calibration, but ${described(theirs)} in engine.evaluation, as if they were preprocessed differently; give both the same scale, mean and std.`,
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

/** Of every input of floats, over the first samples. */
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
