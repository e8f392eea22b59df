/** Classes of processors whose 8-bit kernels in ONNX Runtime compute alike; each has a hardware file of its name. */
export const PROCESSOR_CLASSES = ["CPU_VNNI", "CPU_AVX2", "CPU_ARM64"] as const;

export type ProcessorClass = (typeof PROCESSOR_CLASSES)[number];

const INSTRUCTION_SETS: Readonly<Record<ProcessorClass, string>> = {
  CPU_VNNI: "x64-vnni",
  CPU_AVX2: "x64",
  CPU_ARM64: "arm64",
};

/** How records and results name a class (`isa`). */
export function instructionSetOf(processor: ProcessorClass): string {
  return INSTRUCTION_SETS[processor];
}

/** The class that a record's `isa` stands for; `undefined` where it is none of them. */
export function processorClassOf(isa: string): ProcessorClass | undefined {
  return PROCESSOR_CLASSES.find((processor) => INSTRUCTION_SETS[processor] === isa);
}
