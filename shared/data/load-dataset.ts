import type { DataSection } from "../configuration/engine-schema.js";
import { arrayDataset, loadInputs } from "./array-dataset.js";
import type { Dataset, DatasetOptions } from "./dataset.js";
import { readLabels } from "./labels.js";

/**
 * Reads the samples of a data section and checks them against the model and each other.
 *
 * @throws {DataError} naming the JSON path, the file, what was expected and what was found
 */
export async function loadDataset(section: DataSection, options: DatasetOptions): Promise<Dataset> {
  const { images, inputs, labels } = section;
  if (images !== undefined) {
    // Imported on demand, because images need sharp, a native library that nothing else loads.
    const { loadImages } = await import("./image-dataset.js");
    return loadImages({ ...section, images }, options);
  }
  const loadedInputs = await loadInputs(inputs ?? {}, options);
  const loaded =
    labels === undefined ? undefined : await readLabels(labels, options.directory, `${options.path}.labels`);
  return arrayDataset(loadedInputs, loaded, options);
}
