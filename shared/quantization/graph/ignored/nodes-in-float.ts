import type { NodeProto } from "onnx-buf";
import type { GraphIndex } from "../../../onnx/graph/graph-index.js";
import type { Hardware } from "../../device/hardware.js";
import { findDetectionTail } from "./detection-tail.js";
import { findIgnored, type IgnoredScope } from "./ignored-scope.js";
import { findMatches } from "./node-pattern.js";
import { IGNORED_PATTERNS, type IgnoredPattern } from "./patterns.js";
import { findShapeNodes } from "./shape-nodes.js";

/**
 * Which of POT's ignored patterns are left in float: all that apply to the device (`pot`), only those whose
 * ops have no integer kernels in ONNX Runtime (`runtime`), or none (docs/reference/algorithms.md, "Ignored
 * nodes").
 */
export type PatternSet = "runtime" | "pot" | "none";

export interface FloatRequest {
  readonly ignored: IgnoredScope;
  /**
   * Which of POT's patterns apply; when left out, `pot` for simulated devices (GPU, VPU, NPU, GNA), otherwise
   * `runtime`.
   */
  readonly patterns?: PatternSet | undefined;
}

/** The nodes that are left in float regardless of the hardware, each with the reason as a clause. */
export function findNodesInFloat(
  index: GraphIndex,
  hardware: Hardware,
  { ignored, patterns = SIMULATED_DEVICES.has(hardware.device) ? "pot" : "runtime" }: FloatRequest,
): ReadonlyMap<NodeProto, string> {
  const reasons = new Map<NodeProto, string>();
  const add = (nodes: Iterable<NodeProto>, reason: string): void => {
    for (const node of nodes) if (!reasons.has(node)) reasons.set(node, reason);
  };
  const isAgnostic = ({ opType }: NodeProto): boolean => hardware.operation(opType)?.role === "agnostic";
  const named = findIgnored(index, ignored, isAgnostic);
  add(named.named, "the configuration's `ignored` names it");
  add(named.readers, "it reads an op that passes values on and that the configuration's `ignored` names");
  add(findShapeNodes(index), "it computes shapes");
  for (const pattern of IGNORED_PATTERNS) {
    if (!applies(pattern, hardware.device, patterns)) continue;
    const reason = `it belongs to a ${pattern.name}, which \`ignored_patterns\` leaves in float`;
    add(findMatches(pattern, index), reason);
  }
  if (patterns === "none") return reasons;
  add(findDetectionTail(index), "it belongs to a detection_tail, which `ignored_patterns` leaves in float");
  return reasons;
}

const SIMULATED_DEVICES: ReadonlySet<string> = new Set(["GPU", "VPU", "NPU", "GNA", "GNA3"]);

/** Whether POT's CPU patterns apply to a device: ANY, CPU and every kind of CPU, such as CPU_VNNI. */
function isCpu(device: string): boolean {
  return device === "ANY" || /^CPU(_|$)/.test(device);
}

function applies(
  { devices, integerInRuntime }: IgnoredPattern,
  device: string,
  patterns: PatternSet,
): boolean {
  if (patterns === "none" || (patterns === "runtime" && integerInRuntime === true)) return false;
  switch (devices) {
    case undefined:
      return true;
    case "CPU and GPU":
      return isCpu(device) || device === "GPU";
    case "CPU":
      return isCpu(device);
  }
}
