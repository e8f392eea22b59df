import { Command, Option } from "commander";
import { setMemoryLimit } from "../../../shared/basics/memory-limit.js";
import { DEVICE_NAMES } from "../../../shared/quantization/device/hardware.js";
import { packageVersion } from "../../package/package-root.js";
import { addFleetCommands } from "./fleet-program.js";
import { maxMemory } from "./memory-option.js";
import { number, wholeNumber } from "./option-values.js";

const MOST_WORKERS = 1024;

/**
 * The command line (interface.md, "Commands"): a thin shell over the functions of scripts/api. Each command loads what it
 * needs when it is called, as everything together takes a third of a second.
 */
export function createProgram(exit: (code: number) => void): Command {
  const program = new Command("quantfleet")
    .description(
      "Finds the quantization of an ONNX model that is smallest or fastest within an accuracy bound.",
    )
    .version(packageVersion())
    .option("--verbose", "stack traces of errors")
    .showSuggestionAfterError()
    .exitOverride()
    .hook("preAction", (_, command) => {
      const { maxMemory: limit } = command.opts<{ readonly maxMemory?: number }>();
      if (limit !== undefined) setMemoryLimit(limit);
    });

  program
    .command("demo")
    .description("the bundled example, start to finish, in about a minute")
    .option("--out <dir>", "output folder", "quantfleet-demo")
    .addOption(force())
    .addOption(workers())
    .addHelpText("after", "\nExample:\n  quantfleet demo --workers 2")
    .action(async (options) => {
      const { runDemo } = await import("./demo.js");
      exit(await runDemo(options));
    });

  program
    .command("tune")
    .description("search the best quantization of a model")
    .argument("<config>", "configuration file")
    .option("--out <dir>", "output folder (default: quantfleet-<model name>)")
    .option("--max-trials <n>", "trials at most", wholeNumber(1, 100_000))
    .option("--max-minutes <n>", "minutes from now in which the run is to end, its result written", number(0))
    .addOption(workers())
    .option("--seed <n>", "fixes the sequence of trials", wholeNumber(0, 2 ** 32 - 1))
    .option("--resume", "go on with the run in the output folder, or extend it by more trials or minutes")
    .addOption(force())
    .addOption(new Option("--race <on|off>", "stop hopeless trials early").choices(["on", "off"]))
    .addOption(maxMemory())
    .option("--json", "print the result as one JSON document")
    .addHelpText(
      "after",
      "\nExample:\n  quantfleet tune config.json --out tuned --max-trials 100 --workers 2",
    )
    .action(async (config, options) => {
      const { runTune } = await import("./tune.js");
      exit(await runTune(config, options));
    });

  program
    .command("quantize")
    .description("quantize without a search")
    .argument("<config>", "configuration file; with --trial, the output folder of tune will do")
    .option(
      "--out <dir>",
      "output folder (default: quantfleet-<model name>; with --trial, trial-<n> in the run's folder)",
    )
    .addOption(force())
    .option(
      "--configuration <file>",
      "the choices of an earlier run, as tune writes them to configuration.json",
    )
    .option("--trial <n>", "the choices of a trial of an earlier run, by its number", wholeNumber(0, 100_000))
    .option("--run <dir>", "output folder of that run (default: quantfleet-<model name>)")
    .addOption(maxMemory())
    .option("--json", "print the result as one JSON document")
    .addHelpText(
      "after",
      "\nExample:\n  quantfleet quantize config.json --configuration tuned/configuration.json\n  quantfleet quantize tuned --trial 17",
    )
    .action(async (config, options) => {
      const { runQuantize } = await import("./quantize.js");
      exit(await runQuantize(config, options));
    });

  program
    .command("evaluate")
    .description("score any ONNX model on a configuration's evaluation data")
    .argument("<model>", "ONNX model, float or quantized")
    .argument("<config>", "configuration file")
    .addOption(maxMemory())
    .option("--json", "print the result as one JSON document")
    .addHelpText("after", "\nExample:\n  quantfleet evaluate tuned/model.onnx config.json")
    .action(async (model, config, options) => {
      const { runEvaluate } = await import("./evaluate.js");
      exit(await runEvaluate(model, config, options));
    });

  program
    .command("inspect")
    .description("list a model's quantizer groups, their ops and their choices")
    .argument("<model>", "ONNX model, float or quantized by quantfleet")
    .option(
      "--target-device <device>",
      `${DEVICE_NAMES.join(", ")} or the path of a hardware file (default: the configuration's, or CPU)`,
    )
    .option("--config <file>", "configuration whose compression section counts")
    .option("--group <name>", "how the choices of one group came about: its name, or an op or tensor of it")
    .addOption(maxMemory())
    .option("--json", "print the result as one JSON document")
    .addHelpText("after", "\nExample:\n  quantfleet inspect model.onnx --config config.json --group conv1")
    .action(async (model, options) => {
      const { runInspect } = await import("./inspect.js");
      exit(await runInspect(model, options));
    });

  program
    .command("replay")
    .description("repeat the asks of a run from its records and tell whether they are the same")
    .argument("<dir>", "output folder of tune")
    .option("--json", "print the result as one JSON document")
    .addHelpText("after", "\nExample:\n  quantfleet replay tuned")
    .action(async (out, options) => {
      const { runReplay } = await import("./replay.js");
      exit(await runReplay(out, options));
    });

  addFleetCommands(program, exit);
  for (const command of commandsWithin(program)) command.exitOverride();
  return program;
}

/** All commands below one, at any depth. */
export function commandsWithin({ commands }: Command): readonly Command[] {
  return commands.flatMap((command) => [command, ...commandsWithin(command)]);
}

function force(): Option {
  return new Option("--force", "replace the result of an earlier command in the output folder");
}

function workers(): Option {
  return new Option("--workers <n>", "worker threads (default: the physical cores)").argParser(
    wholeNumber(1, MOST_WORKERS),
  );
}
