import { UsageError } from "../../../shared/basics/errors.js";
import type { Progress } from "../../../shared/run/result/progress.js";
import type { RunResult } from "../../../shared/run/result/result.js";
import { OUTCOME_WARNINGS } from "../../../shared/validation/warnings.js";
import type {
  CostEstimate,
  Fleet,
  FleetOutputs,
  ReadOptions,
  RunView,
  SubmitOptions,
} from "../../fleet/index.js";
import { resultText, usdCell } from "../display/result-table.js";
import { showRun } from "../display/run-display.js";
import { uploadDisplay } from "../display/upload-display.js";
import { reportWarnings } from "../display/warnings.js";
import { EXIT, resultExitCode } from "./exit-code.js";

export interface FromArguments {
  readonly fromRun?: string;
  readonly fromFolder?: string;
}

type SubmitArguments = Omit<SubmitOptions, "onUpload" | "onEstimate" | "onNotice" | "from"> &
  FromArguments & {
    readonly dryRun?: boolean;
    readonly documents?: string;
    readonly out?: string;
    readonly force?: boolean;
  };

/**
 * The earlier run named by the options.
 * @throws {UsageError} when both options are given
 */
export function earlierRun({ fromRun: run, fromFolder: folder }: FromArguments): Pick<SubmitOptions, "from"> {
  if (run !== undefined && folder !== undefined)
    throw new UsageError(
      `--from-run (${run}) and --from-folder (${folder}) are both given; give the one that the run is to begin with.`,
    );
  if (run !== undefined) return { from: { run } };
  return folder === undefined ? {} : { from: { folder } };
}

/**
 * Imports on demand, because the AWS SDK takes longer to load than everything else and most commands do not
 * need it.
 */
const load = async () => ({
  ...(await import("../../fleet/index.js")),
  ...(await import("../../api/index.js")),
});

/** Names a fleet: by its stack, or by the stack's outputs. */
export interface FleetName extends Partial<FleetOutputs> {
  readonly stack?: string;
}

/** The options that name a fleet, as text of a command line. */
function fleetArguments({ stack, bucket, eventsUrl }: FleetName): string {
  const options = Object.entries({ "--stack": stack, "--bucket": bucket, "--events-url": eventsUrl });
  return options.flatMap(([option, value]) => (value === undefined ? [] : [` ${option} ${value}`])).join("");
}

async function open({ stack, bucket, eventsUrl }: FleetName): Promise<Fleet> {
  const { connectFleet, connectStack } = await load();
  if (bucket !== undefined && eventsUrl !== undefined) return connectFleet({ bucket, eventsUrl });
  if (stack === undefined)
    throw new UsageError("No fleet is named; give --stack with the name of the stack that was deployed.");
  return connectStack(stack, {
    ...(bucket === undefined ? {} : { bucket }),
    ...(eventsUrl === undefined ? {} : { eventsUrl }),
  });
}

export async function runSubmit(
  config: string,
  {
    stack,
    bucket,
    eventsUrl,
    dryRun,
    documents,
    out,
    force,
    fromRun,
    fromFolder,
    ...rest
  }: FleetName & SubmitArguments,
): Promise<number> {
  const { estimate, requireVacant, requireWritable, submit, writeRunDocuments } = await load();
  const name = { stack, bucket, eventsUrl };
  const options = { ...rest, ...earlierRun({ fromRun, fromFolder }) };
  if (dryRun) {
    // Without a fleet, the cost is estimated for the deployment construct's defaults.
    const fleet = stack === undefined && bucket === undefined ? {} : await open(name);
    const expected = await estimate(config, { ...options, onNotice: reportSubmission.onNotice }, fleet);
    process.stdout.write(`${JSON.stringify(expected, null, 2)}\n`);
    return EXIT.done;
  }
  if (out !== undefined) {
    await requireWritable(out);
    // The folder is checked before the run, which may take hours.
    if (force !== true) await requireVacant(out);
  }
  const fleet = await open(name);
  const reported: SubmitOptions = { ...options, ...reportSubmission };
  if (documents !== undefined) {
    await writeRunDocuments(fleet, config, documents, reported);
    process.stdout.write(`Written to ${documents}: workload.json and message.json.\n`);
  } else if (out !== undefined) return submitAndFetch(fleet, config, out, reported, fleetArguments(name));
  else process.stdout.write(`${await submit(fleet, config, reported)}\n`);
  return EXIT.done;
}

/** Submits a run, follows it to its end and writes its output folder, as `tune` does on one machine. */
async function submitAndFetch(
  fleet: Fleet,
  config: string,
  out: string,
  options: SubmitOptions,
  where: string,
): Promise<number> {
  const { submitRun } = await load();
  const run = await submitRun(fleet, config, options);
  const command = (name: string): string => `quantfleet ${name} ${run.runId}${where}`;
  process.stderr.write(
    `Run ${run.runId}. It continues without this command; ${command("watch")} follows it, ${command("cancel")} stops it, ${command("fetch")} --out ${out} writes its result.\n`,
  );
  await showRun(run.follow());
  const result = await run.fetchResult(out, { force: true });
  // Warnings of other kinds were reported before the run.
  reportWarnings(result.warnings.filter(({ code }) => OUTCOME_WARNINGS.has(code)));
  return reportResult(result, out);
}

/** Reports notices, the cost estimate and uploads on stderr. */
export const reportSubmission: Required<Pick<SubmitOptions, "onEstimate" | "onUpload" | "onNotice">> = {
  onNotice: (sentence) => void process.stderr.write(`${sentence}\n`),
  onEstimate: (expected) => void process.stderr.write(`${describeEstimate(expected)}\n`),
  onUpload: uploadDisplay(process.stderr),
};

function describeEstimate({ usd, trials, secondsPerTrial, evaluator, prices }: CostEstimate): string {
  return (
    `Expected to cost about ${usdCell(usd)} if no trial is stopped early: ${trials} trials of ${secondsPerTrial.toFixed(1)} s ` +
    `on ${evaluator.architecture} with ${evaluator.megabytes} MB, at the prices of ${prices.region} as of ${prices.date}.`
  );
}

export async function runStatus(
  runId: string,
  { metricModule, ...name }: FleetName & ReadOptions,
): Promise<number> {
  const { status } = await load();
  const progress = await status(await open(name), runId, { metricModule });
  process.stdout.write(`${JSON.stringify(progress, null, 2)}\n`);
  return EXIT.done;
}

/** Shows a run's progress and latest trials until it has ended. */
export async function runWatch(
  runId: string,
  { metricModule, ...name }: FleetName & ReadOptions,
): Promise<number> {
  const { follow } = await load();
  let last: Progress["phase"] | undefined;
  const fleet = await open(name);
  async function* views(): AsyncIterable<RunView> {
    for await (const view of follow(fleet, runId, { metricModule })) {
      last = view.progress.phase;
      yield view;
    }
  }
  await showRun(views());
  return last === "done" ? EXIT.done : EXIT.failed;
}

export async function runFetch(
  runId: string,
  {
    out = `quantfleet-${runId}`,
    force,
    metricModule,
    ...name
  }: FleetName & ReadOptions & { readonly out?: string; readonly force?: boolean },
): Promise<number> {
  const { fetchResult } = await load();
  const result = await fetchResult(await open(name), runId, out, { metricModule, force });
  reportWarnings(result.warnings);
  return reportResult(result, out);
}

function reportResult(result: RunResult, out: string): number {
  process.stdout.write(`${[resultText(result), `Written to ${out}.`].join("\n")}\n`);
  return resultExitCode(result);
}

export async function runCancel(runId: string, name: FleetName): Promise<number> {
  const { cancel } = await load();
  await cancel(await open(name), runId);
  return EXIT.done;
}
