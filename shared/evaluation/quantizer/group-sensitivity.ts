import { createHash } from "node:crypto";
import { scoringSession } from "../../quantization/device/scoring-session.js";
import { planQuantization } from "../../quantization/space/plan.js";
import { processorClass } from "../../runtime/processor-probe.js";
import { DEFAULT_SESSION } from "../../runtime/session.js";
import { decodeConfiguration, encodeConfiguration, encodeSpace } from "../../search/space/encoding.js";
import { groupToggles } from "../../search/space/group-toggle.js";
import type { Configuration } from "../../search/space/space.js";
import type { CalibrationBatches } from "../../statistics/collect.js";
import { readStatistics, writeStatisticsShard } from "../../statistics/shard-store.js";
import { StatisticsTable } from "../../statistics/table.js";
import type { Subject } from "../model/tunable-model.js";
import { type Calibration, openQuantizer } from "./open-quantizer.js";
import { OutputNoise } from "./output-noise.js";
import type { Quantizer } from "./quantizer.js";

const WHOLE = { index: 0, count: 1 };
const STATISTIC = "sensitivity";

/** The groups that matter stand out by far with as few as four batches. */
const COMPARED = { most: 16, fewest: 1, bytes: 64 * 2 ** 20 };

/** Models are left without where one after another would take longer: a trial a group might cost no more. */
const LONGEST_SECONDS = 120;

/** Noise below this share of the outputs' energy is that of float arithmetic. */
const LEAST_NOISE = 1e-12;

/** Decibels a group; a group that is not named has none. */
export type GroupSensitivity = Readonly<Record<string, number>>;

/**
 * How sensitive each group is to quantization (search.md, "The sampler"): by how many decibels the signal-to-noise ratio
 * of the outputs rises when that group alone is switched from what the base has for it. Measured on calibration samples
 * against the float model, so it needs no labels and costs no trial.
 *
 * @returns `undefined` where the model has no float outputs, or it would take too long
 */
export async function measureSensitivity(
  subject: Subject,
  quantizer: Quantizer,
  batches: CalibrationBatches,
  signal?: AbortSignal,
): Promise<GroupSensitivity | undefined> {
  const { space, layout, hardware } = subject;
  const encoded = encodeSpace(space.parameters);
  // What else can be chosen belongs to no group of quantizers.
  const reversals = groupToggles(encoded, encodeConfiguration(encoded, space.base)).filter(({ group }) =>
    layout.groups.has(group.name),
  );
  const session = scoringSession(DEFAULT_SESSION, hardware, await processorClass());
  const noise = await OutputNoise.against(subject, batches, COMPARED, session);
  if (!noise.isKnown) return undefined;
  const noiseOf = async (configuration: Configuration): Promise<number> => {
    signal?.throwIfAborted();
    return Math.max(LEAST_NOISE, await noise.of(quantizer.quantize(configuration).model));
  };
  const started = performance.now();
  const base = await noiseOf(space.base);
  if ((reversals.length * (performance.now() - started)) / 1000 > LONGEST_SECONDS) return undefined;
  const sensitivity: Record<string, number> = {};
  for (const { group, codes } of reversals) {
    const decibels = 10 * Math.log10(base / (await noiseOf(decodeConfiguration(encoded, codes))));
    // Outputs that are infinite or no numbers tell nothing.
    if (Number.isFinite(decibels)) sensitivity[group.name] = decibels;
  }
  return sensitivity;
}

/** The groups' sensitivity, measured once and kept by content. */
export async function keptSensitivity(
  calibration: Calibration,
  statistics: StatisticsTable,
  signal?: AbortSignal,
): Promise<GroupSensitivity | undefined> {
  const { subject, batches, statisticsKey, store } = calibration;
  const { layout, hardware, settings, space } = subject;
  const plan = planQuantization(layout, hardware, settings.options, space.base);
  const { options: _, sampling: __, ...algorithms } = settings;
  const asked = [[...plan.ops], [...plan.activations], [...plan.weights], algorithms];
  const key = `${statisticsKey}/sensitivity/${createHash("sha256").update(JSON.stringify(asked)).digest("hex")}`;
  const kept = await readStatistics(store, key, WHOLE.count);
  if (kept !== undefined) return fromTable(kept);
  const quantizer = await openQuantizer(calibration, statistics);
  const measured = await measureSensitivity(subject, quantizer, batches, signal).catch(() => {
    signal?.throwIfAborted();
    // A model that cannot be run is no reason to fail here: as a trial it tells what is wrong with it.
    return undefined;
  });
  if (measured === undefined) return undefined;
  const table = toTable(measured);
  await writeStatisticsShard(store, key, WHOLE, table);
  return fromTable(table);
}

/** One row, one column a group. */
function toTable(sensitivity: GroupSensitivity): StatisticsTable {
  const columns = Object.keys(sensitivity).map((tensor) => ({ tensor, statistic: STATISTIC, width: 1 }));
  return StatisticsTable.ofRows(columns, [Float32Array.from(Object.values(sensitivity))]);
}

function fromTable(table: StatisticsTable): GroupSensitivity {
  return Object.fromEntries(table.columns.map(({ tensor }) => [tensor, table.column(tensor, STATISTIC)[0]!]));
}
