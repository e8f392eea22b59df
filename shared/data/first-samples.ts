import type { ArraySource, DataSection, InputSource } from "../configuration/engine-schema.js";
import type { Dataset, DatasetOptions } from "./dataset.js";
import { loadDataset } from "./load-dataset.js";

/**
 * The first samples of a section that a command does not use itself, without labels; all of them where there are fewer.
 *
 * @returns `undefined` where it cannot be read: the commands that use it say why
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
