import Table from "cli-table3";
import { type InspectedTensor, type InspectResult, inspect } from "../../api/index.js";
import { describeDerivation, describeParameter, describeSchemes } from "../display/derivation-text.js";
import { EXIT } from "./exit-code.js";

interface Options {
  readonly targetDevice?: string;
  readonly config?: string;
  readonly group?: string;
  readonly json?: boolean;
}

export async function runInspect(
  model: string,
  { targetDevice, config, group, json }: Options,
): Promise<number> {
  const result = await inspect(model, { targetDevice, configuration: config, group });
  const describeResult = (): string =>
    result.derivation === undefined
      ? describe(result)
      : describeDerivation(result.groups[0]!, result.derivation);
  process.stdout.write(json === true ? `${JSON.stringify(result, null, 2)}\n` : describeResult());
  return EXIT.done;
}

function describe(result: InspectResult): string {
  const { quantized, groups, unquantizable, companions, integerKernels, target, notes, modelNotes } = result;
  const { quantized: products, integer, unfused } = integerKernels;
  const kernels = [
    `${integer} of ${products} quantized products ${quantized ? "run" : "would run"} as integer kernels.`,
    ...unfused.map(
      ({ name, type, reason }) => `Runs in float although quantized: ${type} ${name} (${reason}).`,
    ),
  ];
  if (quantized) return `${["The model is already quantized.", ...kernels].join("\n")}\n`;
  const table = new Table({
    head: ["group", "ops", "tensor", "choices"],
    style: { head: [], border: [] },
    wordWrap: true,
  });
  for (const { group, ops, tensors } of groups) {
    table.push([
      group,
      ops
        .map(({ name, type, kernel }) => `${type} ${name}${kernel === "simulated" ? " (simulated)" : ""}`)
        .join("\n"),
      tensors.map(({ kind, tensor }) => `${kind === "weights" ? "W" : "A"} ${tensor}`).join("\n"),
      tensors.map(choices).join("\n"),
    ]);
  }
  return [
    table.toString(),
    `Target device ${target}. ${groups.length} groups; A activations, W weights; the first choice is that of the preset.`,
    ...companions.map((parameter) => `Algorithm parameter: ${describeParameter(parameter)}.`),
    ...kernels,
    ...unquantizable.map(({ name, type, reason }) => `Left in float: ${type} ${name} (${reason}).`),
    ...notes.map((note) => `Device: ${note}`),
    ...modelNotes,
    "",
  ].join("\n");
}

function choices({ choices: schemes }: InspectedTensor): string {
  return describeSchemes(schemes);
}
