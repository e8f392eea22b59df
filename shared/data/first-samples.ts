import type { ArraySource, DataSection, InputSource } from "../configuration/engine-schema.js";
import type { Dataset, DatasetOptions } from "./dataset.js";
import { loadDataset } from "./load-dataset.js";

/**
 * Loads the first `count` samples, or all where there are fewer, of a data section that a command does not use
 * itself; without labels.
 *
 * @returns `undefined` where the section is missing or cannot be read: the commands that use it report why
 */
export async function firstSamples(
  section: DataSection | undefined,
  count: number,
  options: DatasetOptions,
): Promise<Dataset | undefined> {
  if (section === undefined) return undefined;
  const { labels: _, ...whole } = section;
  return loadDataset(limited(whole, count), options)
    .catch(() => loadDataset(whole, options))
    .catch(() => undefined);
}

function limited({ inputs, rows, ...section }: DataSection, count: number): DataSection {
  const limitedInput = (source: InputSource): InputSource =>
    "data" in source ? ({ ...source, rows: firstRows(source.rows, count) } satisfies ArraySource) : source;
  return {
    ...section,
    ...(inputs === undefined
      ? { rows: firstRows(rows, count) }
      : {
          inputs: Object.fromEntries(
            Object.entries(inputs).map(([name, source]) => [name, limitedInput(source)]),
          ),
        }),
  };
}

function firstRows(
  [first, end]: readonly [number, number] = [0, Number.MAX_SAFE_INTEGER],
  count: number,
): [number, number] {
  return [first, Math.min(end, first + count)];
}
