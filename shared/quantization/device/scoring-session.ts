import type { ProcessorClass } from "../../runtime/processor-class.js";
import type { SessionSettings } from "../../runtime/session.js";
import type { Hardware } from "./hardware.js";

/**
 * Session option of ONNX Runtime with which it converts INT8 weights to UINT8, whose kernels are exact on every
 * x86.
 */
const EXACT_ON_X86 = "session.x64quantprecision";

/**
 * Session settings of ONNX Runtime under which this machine computes the same numbers as the target's
 * processor. Where this machine's kernels can saturate and the target's cannot, INT8 weights are converted to
 * UINT8: the numbers are exact, the latencies are those of other kernels.
 */
export function scoringSession(
  session: SessionSettings,
  { device, processor }: Pick<Hardware, "device" | "processor">,
  machine: ProcessorClass,
): SessionSettings {
  const isNative = machine !== "CPU_AVX2" || processor === machine || device === "ANY";
  return isNative ? session : { ...session, extra: { [EXACT_ON_X86]: "1", ...session.extra } };
}

/**
 * A sentence that says how scores for the target are obtained on a machine of another processor class;
 * `undefined` on a machine of the target's class.
 *
 * @param exactOn processor classes on which no product of the model can saturate
 */
export function scoringNote(
  { device, processor }: Pick<Hardware, "device" | "processor">,
  machine: ProcessorClass,
  exactOn: readonly ProcessorClass[] = [],
): string | undefined {
  if (device === "ANY" || processor === machine || (processor === undefined && machine !== "CPU_AVX2")) {
    return undefined;
  }
  const scored = `Scored for ${device} on a processor of class ${machine}`;
  if (machine === "CPU_AVX2") {
    return `${scored}, with the session entry ${EXACT_ON_X86}, which makes its kernels exact as the target's are; latencies are of this machine with that entry.`;
  }
  if (processor !== undefined && !exactOn.includes(processor)) {
    return `${scored}, whose kernels are exact: on ${device} the model can saturate and lose more; latencies are of this machine.`;
  }
  return `${scored}, whose kernels give the same integers; latencies are of this machine.`;
}
