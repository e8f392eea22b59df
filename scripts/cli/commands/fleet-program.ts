import { type Command, Option } from "commander";
import { maxMemory } from "./memory-option.js";
import { number, path, wholeNumber } from "./option-values.js";

const MAX_PARALLEL = 4_096;
const MAX_SHARDS = 1_024;
const LONGEST_JOB_SECONDS = 86_400;

/** Adds the commands for runs on AWS to the command line. */
export function addFleetCommands(program: Command, exit: (code: number) => void): void {
  const add = (name: string, description: string): Command =>
    program
      .command(name)
      .description(description)
      .addOption(stackOption())
      .addOption(
        output("--bucket <name>", "QUANTFLEET_BUCKET", "bucket, instead of the stack's output Bucket"),
      )
      .addOption(
        output(
          "--events-url <url>",
          "QUANTFLEET_EVENTS_URL",
          "events queue, instead of the stack's output EventsUrl",
        ),
      );

  addRunOptions(
    add("submit", "search the best quantization on a fleet on AWS, and print the run's name").argument(
      "<config>",
      "configuration file",
    ),
  )
    .option("--run-id <name>", "the run's name (default: made of the configuration and the time)")
    .addOption(
      new Option(
        "--documents <dir>",
        "upload everything and write the documents that request the run into a folder, without requesting it",
      )
        .argParser(path)
        .conflicts("dryRun"),
    )
    .option("--dry-run", "print the cost estimate as one JSON document, and send nothing")
    .addOption(
      new Option("--out <dir>", "follow the run to its end, and write its result into a folder")
        .argParser(path)
        .conflicts(["documents", "dryRun"]),
    )
    .addOption(force())
    .addHelpText(
      "after",
      "\nExample:\n  quantfleet submit config.json --stack QuantFleet --max-trials 500 --max-cost-usd 2 --out tuned",
    )
    .action(async (config, options) => {
      const { runSubmit } = await import("./fleet.js");
      exit(await runSubmit(config, options));
    });

  add("status", "print the progress of a run of the fleet as one JSON document")
    .argument("<run>", "the run's name")
    .addOption(metricModule())
    .addHelpText("after", "\nExample:\n  quantfleet status 0123456789ab-m1x2y3z4 --stack QuantFleet")
    .action(async (run, options) => {
      const { runStatus } = await import("./fleet.js");
      exit(await runStatus(run, options));
    });

  add("watch", "follow a run of the fleet to its end")
    .argument("<run>", "the run's name")
    .addOption(metricModule())
    .addHelpText("after", "\nExample:\n  quantfleet watch 0123456789ab-m1x2y3z4 --stack QuantFleet")
    .action(async (run, options) => {
      const { runWatch } = await import("./fleet.js");
      exit(await runWatch(run, options));
    });

  add("fetch", "write the result of a run of the fleet into a folder")
    .argument("<run>", "the run's name")
    .option("--out <dir>", "output folder (default: quantfleet-<run>)", path)
    .addOption(force())
    .addOption(metricModule())
    .addHelpText(
      "after",
      "\nExample:\n  quantfleet fetch 0123456789ab-m1x2y3z4 --stack QuantFleet --out tuned",
    )
    .action(async (run, options) => {
      const { runFetch } = await import("./fleet.js");
      exit(await runFetch(run, options));
    });

  add("cancel", "stop a run's search; the best so far is written")
    .argument("<run>", "the run's name")
    .addHelpText("after", "\nExample:\n  quantfleet cancel 0123456789ab-m1x2y3z4 --stack QuantFleet")
    .action(async (run, options) => {
      const { runCancel } = await import("./fleet.js");
      exit(await runCancel(run, options));
    });

  addScheduleCommands(program, exit);
}

function addScheduleCommands(program: Command, exit: (code: number) => void): void {
  const schedule = program
    .command("schedule")
    .description("carry out a run on a fleet on AWS on a schedule")
    .addHelpText(
      "after",
      '\nExample:\n  quantfleet schedule config.json --stack QuantFleet --cron "0 3 * * ? *" --time-zone Europe/Berlin',
    );
  const add = (name: string, description: string, isDefault = false): Command =>
    schedule
      .command(name, { isDefault })
      .description(description)
      .addOption(stackOption().makeOptionMandatory());

  addRunOptions(
    add("add", "add a schedule, and print its name (the default subcommand)", true).argument(
      "<config>",
      "configuration file",
    ),
  )
    .option("--cron <fields>", "minutes, hours, day of month, month, day of week, year")
    .option("--rate <rate>", 'a number and a unit, such as "12 hours" or "1 day"')
    .option("--time-zone <name>", 'time zone of --cron, such as "Europe/Berlin" (default: UTC)')
    .option("--name <name>", "the schedule's name (default: made of the configuration and the time)")
    .addHelpText("after", '\nExample:\n  quantfleet schedule config.json --stack QuantFleet --rate "1 day"')
    .action(async (config, options) => {
      const { runScheduleAdd } = await import("./schedule.js");
      exit(await runScheduleAdd(config, options));
    });

  add("list", "print one line per schedule: name, expression, time zone")
    .addHelpText("after", "\nExample:\n  quantfleet schedule list --stack QuantFleet")
    .action(async (options) => {
      const { runScheduleList } = await import("./schedule.js");
      exit(await runScheduleList(options));
    });

  add("remove", "remove a schedule; runs that it has started continue")
    .argument("<name>", "the schedule's name")
    .addHelpText("after", "\nExample:\n  quantfleet schedule remove nightly --stack QuantFleet")
    .action(async (name, options) => {
      const { runScheduleRemove } = await import("./schedule.js");
      exit(await runScheduleRemove(name, options));
    });
}

/** Adds the options of a run to a command; `submit` and `schedule add` share them. */
function addRunOptions(command: Command): Command {
  return command
    .addOption(maxMemory())
    .option("--max-trials <n>", "most trials", wholeNumber(1, 100_000))
    .option(
      "--parallel <n>",
      "trials in parallel (default: the stack's evaluators, at most 8, and a quarter more, at least two)",
      wholeNumber(1, MAX_PARALLEL),
    )
    .option(
      "--evaluation-shards <n>",
      "jobs over which a trial's samples are spread (default: 1)",
      wholeNumber(1, MAX_SHARDS),
    )
    .option(
      "--job-timeout-seconds <n>",
      "seconds after which an unanswered job is sent again (default: 1800)",
      wholeNumber(1, LONGEST_JOB_SECONDS),
    )
    .option("--from-run <run>", "the run of the fleet that trials_load_method starts from")
    .option("--from-folder <dir>", "tune's output folder that trials_load_method starts from")
    .option(
      "--max-cost-usd <n>",
      "cost limit of the run in US dollars; no trial starts that would exceed it",
      number(0.01),
    )
    .option(
      "--seconds-per-trial <n>",
      "seconds per trial for the cost estimate (default: measured on this machine)",
      number(0),
    )
    .option("--prices <file>", "price list for the estimate and the limit (default: us-east-1)");
}

function stackOption(): Option {
  return output("--stack <name>", "QUANTFLEET_STACK", "name of the deployed stack");
}

function force(): Option {
  return new Option("--force", "replace the result of another run in the output folder");
}

function metricModule(): Option {
  return new Option("--metric-module <file>", "local copy of the run's metric module, if the run uses one");
}

function output(flags: string, variable: string, description: string): Option {
  return new Option(flags, description).env(variable);
}
