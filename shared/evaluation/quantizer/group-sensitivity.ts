import { hashedSettings } from "../../configuration/quantization-settings.js";
import { scoringSession } from "../../quantization/device/scoring-session.js";
import { planQuantization } from "../../quantization/space/plan.js";
import { processorClass } from "../../runtime/processor-probe.js";
import { DEFAULT_SESSION } from "../../runtime/session.js";
import { decodeConfiguration, encodeConfiguration, encodeSpace } from "../../search/space/encoding.js";
import { groupToggles } from "../../search/space/group-toggle.js";
import type { Configuration } from "../../search/space/space.js";
import { derivedKey } from "../../statistics/cache-key.js";
import type { CalibrationBatches } from "../../statistics/collect.js";
import { keptStatistics } from "../../statistics/shard-store.js";
import { StatisticsTable } from "../../statistics/table.js";
import type { Subject } from "../model/tunable-model.js";
import { type Calibration, openQuantizer } from "./open-quantizer.js";
import { OutputNoise } from "./output-noise.js";
import type { Quantizer } from "./quantizer.js";

const STATISTIC = "sensitivity";

/**
 * Number of calibration batches that outputs are compared on: at most `most`, at least `fewest`, others only
 * while the outputs take at most `bytes`. Four already show clearly which groups matter most.
 */
const COMPARED = { most: 16, fewest: 1, bytes: 64 * 2 ** 20 };

/**
 * Maximum expected seconds of measuring the sensitivity; if it would take longer it is left out, as one trial
 * per group would then cost about the same.
 */
const LONGEST_SECONDS = 120;

/**
 * Lower limit of measured noise, as a share of the outputs' energy: float arithmetic causes as much by
 * itself.
 */
const LEAST_NOISE = 1e-12;

/**
 * By how many decibels the signal-to-noise ratio of the outputs rises when a group (tensors that share a
 * quantizer choice) alone is switched from quantized to float or back, by the group's name; groups without an
 * entry are unknown.
 */
export type GroupSensitivity = Readonly<Record<string, number>>;

/**
 * Measures the sensitivity of each group on calibration samples against the float model, so that no labels and no
 * trials are needed.
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
  // Parameters of algorithms belong to no quantizer group.
  const toggles = groupToggles(encoded, encodeConfiguration(encoded, space.base)).filter(({ group }) =>
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
  if ((toggles.length * (performance.now() - started)) / 1000 > LONGEST_SECONDS) return undefined;
  const sensitivity: Record<string, number> = {};
  for (const { group, codes } of toggles) {
    const decibels = 10 * Math.log10(base / (await noiseOf(decodeConfiguration(encoded, codes))));
    // Outputs that are not finite say nothing about sensitivity.
    if (Number.isFinite(decibels)) sensitivity[group.name] = decibels;
  }
  return sensitivity;
}

/** The groups' sensitivity, measured once and stored under a hash of what it depends on. */
export async function keptSensitivity(
  calibration: Calibration,
  statistics: StatisticsTable,
  signal?: AbortSignal,
): Promise<GroupSensitivity | undefined> {
  const { subject, batches, statisticsKey, store } = calibration;
  const { layout, hardware, settings, space } = subject;
  const plan = planQuantization(layout, hardware, settings.options, space.base);
  const { tunedAlgorithms: tuned } = settings;
  const algorithms = { ...hashedSettings(settings), ...(tuned.length > 0 && { tunedCompanions: tuned }) };
  const asked = [[...plan.ops], [...plan.activations], [...plan.weights], algorithms];
  const table = await keptStatistics(store, derivedKey(statisticsKey, "sensitivity", asked), async () => {
    const quantizer = await openQuantizer(calibration, statistics);
    const measured = await measureSensitivity(subject, quantizer, batches, signal).catch(() => {
      signal?.throwIfAborted();
      // A model that cannot be run fails as a trial, with a better reason than could be given here.
      return undefined;
    });
    return measured && toTable(measured);
  });
  return table && fromTable(table);
}

/** The sensitivity as a table that can be stored: one row with one column per group. */
function toTable(sensitivity: GroupSensitivity): StatisticsTable {
  const columns = Object.keys(sensitivity).map((tensor) => ({ tensor, statistic: STATISTIC, width: 1 }));
  return StatisticsTable.ofRows(columns, [Float32Array.from(Object.values(sensitivity))]);
}

function fromTable(table: StatisticsTable): GroupSensitivity {
  return Object.fromEntries(table.columns.map(({ tensor }) => [tensor, table.column(tensor, STATISTIC)[0]!]));
}
