import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { makeSubject } from "../../../shared/evaluation/model/tunable-model.js";
import {
  keptSensitivity,
  measureSensitivity,
} from "../../../shared/evaluation/quantizer/group-sensitivity.js";
import { OutputNoise } from "../../../shared/evaluation/quantizer/output-noise.js";
import { Quantizer } from "../../../shared/evaluation/quantizer/quantizer.js";
import { scoringSession } from "../../../shared/quantization/device/scoring-session.js";
import { switchName } from "../../../shared/quantization/space/space.js";
import { processorClass } from "../../../shared/runtime/processor-probe.js";
import { DEFAULT_SESSION } from "../../../shared/runtime/session.js";
import { createRandomStream } from "../../../shared/search/numerics/random.js";
import type { Configuration } from "../../../shared/search/space/space.js";
import { collectStatistics } from "../../../shared/statistics/collect.js";
import { MemoryObjectStore } from "../../../shared/storage/memory-store.js";
import { prepareSmallNet, quantizationSettings, SMALL_NET_INPUT } from "../../quantization/small-net.js";

const SAMPLES = 4;

const random = createRandomStream(3, 0, "sample-order");
const size = SMALL_NET_INPUT.reduce((product, dim) => product * dim, 1);
// An outlier in the input, which only the first group reads, widens the range so that most codes are unused.
const samples = Array.from({ length: SAMPLES }, () =>
  Float32Array.from({ length: size }, (_, i) => (i === 0 ? 100 : random.uniform() - 0.5)),
);
const batches = {
  count: SAMPLES,
  batch: (index: number) => ({
    x: { type: "float32" as const, data: samples[index]!, dims: [1, ...SMALL_NET_INPUT] },
  }),
};
const subject = makeSubject(
  await prepareSmallNet(),
  quantizationSettings({ tuningScope: new Set(["layer"]) }),
);
const statistics = await collectStatistics(subject.prepared.model, subject.statistics, batches);
const quantizer = new Quantizer(subject, statistics);
const measured = (await measureSensitivity(subject, quantizer, batches))!;

describe("The sensitivity of groups", () => {
  test("is largest where an outlier widens the range", () => {
    const [first, ...others] = Object.keys(measured).sort((a, b) => measured[b]! - measured[a]!);
    assert.equal(first, subject.layout.groupOf.get("x"));
    assert.deepEqual(new Set([first, ...others]), new Set(subject.layout.groups.keys()));
    assert.ok(measured[first!]! > 2 + measured[others[0]!]!, JSON.stringify(measured));
  });

  test("is by how many decibels the outputs' signal-to-noise ratio rises with the group in float", async () => {
    const noise = await OutputNoise.against(
      subject,
      batches,
      { most: SAMPLES, fewest: 1, bytes: 2 ** 20 },
      scoringSession(DEFAULT_SESSION, subject.hardware, await processorClass()),
    );
    const noiseOf = (configuration: Configuration) => noise.of(quantizer.quantize(configuration).model);
    const { base } = subject.space;
    for (const group of subject.layout.groups.keys()) {
      const without = { ...base, [switchName(group)]: false };
      const rise = 10 * Math.log10((await noiseOf(base)) / (await noiseOf(without)));
      assert.ok(Math.abs(measured[group]! - rise) < 1e-9, group);
    }
  });

  test("is measured once, and kept by content", async () => {
    const store = new MemoryObjectStore();
    const calibration = { subject, batches, statisticsKey: "statistics/test", store };
    const first = await keptSensitivity(calibration, statistics);
    assert.deepEqual(
      first,
      Object.fromEntries(Object.entries(measured).map(([group, decibels]) => [group, Math.fround(decibels)])),
    );
    const unread = {
      count: SAMPLES,
      batch: () => assert.fail("read a sample"),
    };
    assert.deepEqual(await keptSensitivity({ ...calibration, batches: unread }, statistics), first);
    const symmetric = makeSubject(
      subject.prepared,
      quantizationSettings({ preset: "mixed", tuningScope: new Set(["layer"]) }),
    );
    const other = await keptSensitivity({ ...calibration, subject: symmetric }, statistics);
    assert.notDeepEqual(other, first, "another base has another key");
  });

  test("stops on an abort, and is left out where a sample does not fit the model", async () => {
    const store = new MemoryObjectStore();
    const calibration = { subject, batches, statisticsKey: "statistics/test", store };
    await assert.rejects(keptSensitivity(calibration, statistics, AbortSignal.abort()), {
      name: "AbortError",
    });
    const unfit = {
      count: 1,
      batch: () => ({ x: { type: "float32" as const, data: new Float32Array(3), dims: [1, 3] } }),
    };
    assert.equal(await keptSensitivity({ ...calibration, batches: unfit }, statistics), undefined);
  });
});
