import { Command, Option } from "commander";
import { setMemoryLimit } from "../../../shared/basics/memory-limit.js";
import { DEVICE_NAMES } from "../../../shared/quantization/device/hardware.js";
import { packageVersion } from "../../package/package-root.js";
import { addFleetCommands } from "./fleet-program.js";
import { maxMemory } from "./memory-option.js";
import { number, path, wholeNumber } from "./option-values.js";

const MAX_WORKERS = 1024;

/**
 * Creates the command line, a thin layer over the functions of scripts/api. Each command imports its code
 * when it is called, because importing everything takes a third of a second.
 */
export function createProgram(exit: (code: number) => void): Command {
  const program = new Command("quantfleet")
    .description(
      "Finds the quantization of an ONNX model that is smallest or fastest within an accuracy bound.",
    )
    .version(packageVersion())
    .option("--verbose", "print stack traces of errors")
    .showSuggestionAfterError()
    .exitOverride()
    .hook("preAction", (_, command) => {
      const { maxMemory: limit } = command.opts<{ readonly maxMemory?: number }>();
      if (limit !== undefined) setMemoryLimit(limit);
    });

  program
    .command("demo")
    .description("run the bundled example, in about a minute")
    .option("--out <dir>", "output folder", path, "quantfleet-demo")
    .addOption(force())
    .addOption(workers())
    .addHelpText("after", "\nExample:\n  quantfleet demo --workers 2")
    .action(async (options) => {
      const { runDemo } = await import("./demo.js");
      exit(await runDemo(options));
    });

  program
    .command("init")
    .description("write a configuration for a model and its samples, which the other commands run as it is")
    .argument("<model>", "float ONNX model")
    .argument(
      "[data...]",
      "folder of images (a folder per class), or .npy and .npz files, or a folder of them",
    )
    .option("--out <file>", "the configuration to write", "config.json")
    .option("--force", "replace files that are there")
    .addOption(maxMemory())
    .addHelpText("after", "\nExample:\n  quantfleet init model.onnx photos")
    .action(async (model, data, options) => {
      const { runInit } = await import("./init.js");
      exit(await runInit(model, data, options));
    });

  program
    .command("tune")
    .description("search the best quantization of a model")
    .argument("<config>", "configuration file")
    .option("--out <dir>", "output folder (default: quantfleet-<model name>)", path)
    .option("--max-trials <n>", "most trials", wholeNumber(1, 100_000))
    .option(
      "--max-minutes <n>",
      "time limit of the whole run in minutes, including writing its result",
      number(0),
    )
    .addOption(workers())
    .option("--seed <n>", "seed of the search", wholeNumber(0, 2 ** 32 - 1))
    .option("--resume", "resume the run in the output folder, or extend it by more trials or minutes")
    .addOption(force())
    .addOption(
      new Option("--race <on|off>", "stop trials early that cannot become the best").choices(["on", "off"]),
    )
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
    .argument("<config>", "configuration file; with --trial, the output folder of tune is enough")
    .option(
      "--out <dir>",
      "output folder (default: quantfleet-<model name>; with --trial, trial-<n> in the run's folder)",
      path,
    )
    .addOption(force())
    .option("--configuration <file>", "choices to use: a configuration.json that tune wrote", path)
    .option(
      "--trial <n>",
      "choices to use: those of an earlier run's trial, by its number",
      wholeNumber(0, 100_000),
    )
    .option("--run <dir>", "output folder of that run (default: quantfleet-<model name>)", path)
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
    .option("--config <file>", "configuration whose compression section applies", path)
    .option(
      "--group <name>",
      "show how the choices of one group are derived; its name, or an op or tensor in it",
    )
    .addOption(maxMemory())
    .option("--json", "print the result as one JSON document")
    .addHelpText("after", "\nExample:\n  quantfleet inspect model.onnx --config config.json --group conv1")
    .action(async (model, options) => {
      const { runInspect } = await import("./inspect.js");
      exit(await runInspect(model, options));
    });

  program
    .command("replay")
    .description("repeat the asks of a run from its records and report whether they are the same")
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

/** All subcommands of a command, at any depth. */
export function commandsWithin({ commands }: Command): readonly Command[] {
  return commands.flatMap((command) => [command, ...commandsWithin(command)]);
}

function force(): Option {
  return new Option("--force", "replace the result of an earlier command in the output folder");
}

function workers(): Option {
  return new Option("--workers <n>", "worker threads (default: number of physical cores)").argParser(
    wholeNumber(1, MAX_WORKERS),
  );
}
