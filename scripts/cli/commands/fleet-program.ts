import { type Command, Option } from "commander";
import { maxMemory } from "./memory-option.js";
import { number, wholeNumber } from "./option-values.js";

const MOST_PARALLEL = 4_096;
const MOST_SHARDS = 1_024;
const LONGEST_JOB_SECONDS = 86_400;

/** The commands for runs on AWS. */
export function addFleetCommands(program: Command, exit: (code: number) => void): void {
  const add = (name: string, description: string): Command =>
    program
      .command(name)
      .description(description)
      .addOption(stackOption())
      .addOption(output("--bucket <name>", "QUANTFLEET_BUCKET", "instead of the stack's output Bucket"))
      .addOption(
        output("--events-url <url>", "QUANTFLEET_EVENTS_URL", "instead of the stack's output EventsUrl"),
      );

  addRunOptions(
    add("submit", "have the fleet on AWS search the best quantization, and print the run's name").argument(
      "<config>",
      "configuration file",
    ),
  )
    .option("--run-id <name>", "the run's name (default: made of the configuration and the time)")
    .addOption(
      new Option(
        "--documents <dir>",
        "upload everything and write what asks for the run into a folder, and do not ask",
      ).conflicts("dryRun"),
    )
    .option("--dry-run", "print what it is expected to cost as one JSON document, and send nothing")
    .addOption(
      new Option(
        "--out <dir>",
        "follow the run to its end, and write what it came to into a folder",
      ).conflicts(["documents", "dryRun"]),
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

  add("status", "print how far a run of the fleet has come, as one JSON document")
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

  add("fetch", "write what a run of the fleet came to into a folder")
    .argument("<run>", "the run's name")
    .option("--out <dir>", "output folder (default: quantfleet-<run>)")
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

  add("cancel", "end a run's search; the best so far is written")
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
    .description("have the fleet on AWS carry out a run again and again")
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
    add(
      "add",
      "add a schedule, and print its name (what `schedule` does when nothing else is said)",
      true,
    ).argument("<config>", "configuration file"),
  )
    .option("--cron <fields>", "minutes, hours, day of month, month, day of week, year")
    .option("--rate <rate>", 'a number and a unit, such as "12 hours" or "1 day"')
    .option("--time-zone <name>", 'what --cron is told in, such as "Europe/Berlin" (default: UTC)')
    .option("--name <name>", "the schedule's name (default: made of the configuration and the time)")
    .addHelpText("after", '\nExample:\n  quantfleet schedule config.json --stack QuantFleet --rate "1 day"')
    .action(async (config, options) => {
      const { runScheduleAdd } = await import("./schedule.js");
      exit(await runScheduleAdd(config, options));
    });

  add("list", "print a line a schedule: its name, when it is due, time zone")
    .addHelpText("after", "\nExample:\n  quantfleet schedule list --stack QuantFleet")
    .action(async (options) => {
      const { runScheduleList } = await import("./schedule.js");
      exit(await runScheduleList(options));
    });

  add("remove", "end a schedule; its runs are left alone")
    .argument("<name>", "the schedule's name")
    .addHelpText("after", "\nExample:\n  quantfleet schedule remove nightly --stack QuantFleet")
    .action(async (name, options) => {
      const { runScheduleRemove } = await import("./schedule.js");
      exit(await runScheduleRemove(name, options));
    });
}

/** What a run is to be like, whether it is asked for now or by a schedule. */
function addRunOptions(command: Command): Command {
  return command
    .addOption(maxMemory())
    .option("--max-trials <n>", "trials at most", wholeNumber(1, 100_000))
    .option(
      "--parallel <n>",
      "trials side by side (default: a quarter, and two at least, above 8 evaluators or the fewer that the stack has)",
      wholeNumber(1, MOST_PARALLEL),
    )
    .option(
      "--evaluation-shards <n>",
      "jobs that a trial's samples are spread over (default: 1)",
      wholeNumber(1, MOST_SHARDS),
    )
    .option(
      "--job-timeout-seconds <n>",
      "send a job again that nobody has answered for so long (default: 1800)",
      wholeNumber(1, LONGEST_JOB_SECONDS),
    )
    .option("--from-run <run>", "the run of the fleet that trials_load_method begins with")
    .option("--from-folder <dir>", "tune's output folder that trials_load_method begins with")
    .option("--max-cost-usd <n>", "ask for no trial that would cost more than this in all", number(0.01))
    .option("--seconds-per-trial <n>", "for the estimate (default: measured on this machine)", number(0))
    .option("--prices <file>", "price list for the estimate and the bound (default: us-east-1)");
}

function stackOption(): Option {
  return output("--stack <name>", "QUANTFLEET_STACK", "the stack that was deployed");
}

function force(): Option {
  return new Option("--force", "replace the result of another run in the output folder");
}

function metricModule(): Option {
  return new Option(
    "--metric-module <file>",
    "this machine's copy of the run's metric module, if it has one",
  );
}

function output(flags: string, variable: string, description: string): Option {
  return new Option(flags, description).env(variable);
}
