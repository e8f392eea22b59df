import { type Command, Option } from "commander";
import { runCancel, runFetch, runStatus, runSubmit, runWatch } from "./fleet.js";
import { number, wholeNumber } from "./option-values.js";

const MOST_PARALLEL = 4_096;
const MOST_SHARDS = 1_024;

/** The commands for runs on AWS; each needs the outputs of the stack. */
export function addFleetCommands(program: Command, exit: (code: number) => void): void {
  const add = (name: string, description: string): Command =>
    program
      .command(name)
      .description(description)
      .addOption(output("--bucket <name>", "QUANTFLEET_BUCKET", "the stack's output Bucket"))
      .addOption(output("--events-url <url>", "QUANTFLEET_EVENTS_URL", "the stack's output EventsUrl"));

  add("submit", "have the fleet on AWS search the best quantization, and print the run's name")
    .argument("<config>", "configuration file")
    .option("--run-id <name>", "the run's name (default: made of the configuration and the time)")
    .option("--max-trials <n>", "trials at most", wholeNumber(1, 100_000))
    .option("--parallel <n>", "trials side by side (default: 8)", wholeNumber(1, MOST_PARALLEL))
    .option(
      "--evaluation-shards <n>",
      "jobs that a trial's samples are spread over (default: 1)",
      wholeNumber(1, MOST_SHARDS),
    )
    .option("--max-cost-usd <n>", "ask for no trial that would cost more than this in all", number(0.01))
    .option("--seconds-per-trial <n>", "for the estimate (default: measured on this machine)", number(0))
    .option("--prices <file>", "price list for the estimate and the bound (default: us-east-1)")
    .option(
      "--documents <dir>",
      "upload everything and write what asks for the run into a folder, and do not ask",
    )
    .option("--dry-run", "print what it is expected to cost as one JSON document, and send nothing")
    .addHelpText(
      "after",
      "\nExample:\n  quantfleet submit config.json --max-trials 500 --parallel 100 --max-cost-usd 2",
    )
    .action(async (config, options) => exit(await runSubmit(config, options)));

  add("status", "print how far a run of the fleet has come, as one JSON document")
    .argument("<run>", "the run's name")
    .addOption(metricModule())
    .addHelpText("after", "\nExample:\n  quantfleet status 0123456789ab-m1x2y3z4")
    .action(async (run, options) => exit(await runStatus(run, options)));

  add("watch", "follow a run of the fleet to its end")
    .argument("<run>", "the run's name")
    .addOption(metricModule())
    .addHelpText("after", "\nExample:\n  quantfleet watch 0123456789ab-m1x2y3z4")
    .action(async (run, options) => exit(await runWatch(run, options)));

  add("fetch", "write what a run of the fleet came to into a folder")
    .argument("<run>", "the run's name")
    .option("--out <dir>", "output folder (default: quantfleet-<run>)")
    .addOption(metricModule())
    .addHelpText("after", "\nExample:\n  quantfleet fetch 0123456789ab-m1x2y3z4 --out tuned")
    .action(async (run, options) => exit(await runFetch(run, options)));

  add("cancel", "end a run's search; the best so far is written")
    .argument("<run>", "the run's name")
    .addHelpText("after", "\nExample:\n  quantfleet cancel 0123456789ab-m1x2y3z4")
    .action(async (run, options) => exit(await runCancel(run, options)));
}

function metricModule(): Option {
  return new Option(
    "--metric-module <file>",
    "this machine's copy of the run's metric module, if it has one",
  );
}

function output(flags: string, variable: string, description: string): Option {
  return new Option(flags, description).env(variable).makeOptionMandatory();
}
