/**
 * Classes of processors on which ONNX Runtime's 8-bit kernels compute the same; each has a hardware file of
 * its name.
 */
export const PROCESSOR_CLASSES = ["CPU_VNNI", "CPU_AVX2", "CPU_ARM64"] as const;

export type ProcessorClass = (typeof PROCESSOR_CLASSES)[number];

const INSTRUCTION_SETS: Readonly<Record<ProcessorClass, string>> = {
  CPU_VNNI: "x64-vnni",
  CPU_AVX2: "x64",
  CPU_ARM64: "arm64",
};

/** The name of a processor class in records and results (`isa`). */
export function instructionSetOf(processor: ProcessorClass): string {
  return INSTRUCTION_SETS[processor];
}

/** The processor class that a record's `isa` names; `undefined` for unknown names. */
export function processorClassOf(isa: string): ProcessorClass | undefined {
  return PROCESSOR_CLASSES.find((processor) => INSTRUCTION_SETS[processor] === isa);
}
