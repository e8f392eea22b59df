import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { targetHardware } from "../../../shared/quantization/device/hardware.js";
import { scoringNote, scoringSession } from "../../../shared/quantization/device/scoring-session.js";
import { PROCESSOR_CLASSES } from "../../../shared/runtime/processor-class.js";
import { DEFAULT_SESSION } from "../../../shared/runtime/session.js";

const EXACT = { ...DEFAULT_SESSION, extra: { "session.x64quantprecision": "1" } };

describe("The session that models are scored in", () => {
  test("has the user's settings where this machine computes as the target does", () => {
    for (const machine of PROCESSOR_CLASSES) {
      for (const device of [machine, "ANY"] as const) {
        assert.equal(scoringSession(DEFAULT_SESSION, targetHardware(device), machine), DEFAULT_SESSION);
      }
    }
    for (const device of ["CPU_AVX2", "CPU_ARM64", "GPU"] as const) {
      assert.equal(scoringSession(DEFAULT_SESSION, targetHardware(device), "CPU_VNNI"), DEFAULT_SESSION);
    }
  });

  test("reads weights as UINT8 where this machine saturates and the target does not", () => {
    for (const device of ["CPU_VNNI", "CPU_ARM64", "GPU", "GNA3"] as const) {
      assert.deepEqual(scoringSession(DEFAULT_SESSION, targetHardware(device), "CPU_AVX2"), EXACT);
    }
  });

  test("keeps the user's own entries, that one included", () => {
    const extra = { "session.x64quantprecision": "0", "session.dynamic_block_base": "4" };
    const session = { ...DEFAULT_SESSION, extra };
    assert.deepEqual(scoringSession(session, targetHardware("GPU"), "CPU_AVX2").extra, extra);
  });
});

describe("The note on how models are scored", () => {
  const note = (device: Parameters<typeof targetHardware>[0], machine: (typeof PROCESSOR_CLASSES)[number]) =>
    scoringNote(targetHardware(device), machine, ["CPU_VNNI", "CPU_ARM64"]);

  test("is left out where the machine is the target, or the target is any machine", () => {
    assert.equal(note("CPU_AVX2", "CPU_AVX2"), undefined);
    assert.equal(note("ANY", "CPU_AVX2"), undefined);
    assert.equal(note("GPU", "CPU_VNNI"), undefined);
  });

  test("says for other classes whether integers are the same, exact by a session entry, or saturate on the target", () => {
    assert.match(note("CPU_ARM64", "CPU_VNNI")!, /whose kernels give the same integers/);
    assert.match(note("CPU_VNNI", "CPU_AVX2")!, /session\.x64quantprecision/);
    assert.match(note("CPU_AVX2", "CPU_VNNI")!, /on CPU_AVX2 the model can saturate/);
  });
});
