import { setTimeout as sleep } from "node:timers/promises";
import { QuantfleetError } from "../../shared/errors.js";
import type { Progress } from "../../shared/run/progress.js";
import type { FleetOutputs } from "../fleet/connect.js";
import type { CostEstimate } from "../fleet/cost-estimate.js";
import type { ReadOptions } from "../fleet/runs.js";
import type { SubmitOptions } from "../fleet/submit.js";
import { EXIT } from "./exit-code.js";
import { showProgress } from "./progress-display.js";
import { bytesCell, resultText, usdCell } from "./result-table.js";

type SubmitArguments = Omit<SubmitOptions, "onUpload" | "onEstimate"> & {
  readonly dryRun?: boolean;
  readonly documents?: string;
};

/** The AWS SDK takes longer to load than everything else, and most commands do without. */
const load = async () => ({
  ...(await import("../fleet/connect.js")),
  ...(await import("../fleet/runs.js")),
  ...(await import("../fleet/submit.js")),
});

const POLL_MILLISECONDS = 2_000;
/** After this the coordinator has heard of a run that was submitted, or there is none. */
const PATIENCE_MILLISECONDS = 60_000;

export async function runSubmit(
  config: string,
  { bucket, eventsUrl, dryRun, documents, ...options }: FleetOutputs & SubmitArguments,
): Promise<number> {
  const { connectFleet, estimate, submit, writeRunDocuments } = await load();
  if (dryRun) {
    process.stdout.write(`${JSON.stringify(await estimate(config, options), null, 2)}\n`);
    return EXIT.done;
  }
  const fleet = connectFleet({ bucket, eventsUrl });
  const told: SubmitOptions = {
    ...options,
    onEstimate: (expected) => void process.stderr.write(`${describeEstimate(expected)}\n`),
    onUpload: ({ file, bytes, wasThere }) =>
      void process.stderr.write(
        `${wasThere ? "Already there" : "Uploaded"}: ${file} (${bytesCell(bytes)}).\n`,
      ),
  };
  if (documents === undefined) process.stdout.write(`${await submit(fleet, config, told)}\n`);
  else await writeRunDocuments(fleet, config, documents, told);
  return EXIT.done;
}

function describeEstimate({ usd, trials, secondsPerTrial, evaluator, prices }: CostEstimate): string {
  return (
    `Expected to cost ${usdCell(usd)} at most: ${trials} trials of ${secondsPerTrial.toFixed(1)} s ` +
    `on ${evaluator.architecture} with ${evaluator.megabytes} MB, at the prices of ${prices.region} as of ${prices.date}.`
  );
}

export async function runStatus(
  runId: string,
  { metricModule, ...outputs }: FleetOutputs & ReadOptions,
): Promise<number> {
  const { connectFleet, status } = await load();
  const progress = await status(connectFleet(outputs), runId, { metricModule });
  process.stdout.write(`${JSON.stringify(progress, null, 2)}\n`);
  return EXIT.done;
}

/** Shows a run's progress until it has ended. */
export async function runWatch(
  runId: string,
  { metricModule, ...outputs }: FleetOutputs & ReadOptions,
): Promise<number> {
  const { connectFleet, status } = await load();
  const fleet = connectFleet(outputs);
  let last: Progress["phase"] | undefined;
  const patientUntil = Date.now() + PATIENCE_MILLISECONDS;
  async function* follow(): AsyncIterable<Progress> {
    for (;;) {
      const progress = await status(fleet, runId, { metricModule }).catch((error: unknown) => {
        const isUnknown = error instanceof QuantfleetError && error.code === "NOTHING_TO_RESUME";
        if (!isUnknown || last !== undefined || Date.now() > patientUntil) throw error;
      });
      if (progress === undefined) {
        await sleep(POLL_MILLISECONDS);
        continue;
      }
      last = progress.phase;
      yield progress;
      if (last === "done" || last === "failed") return;
      await sleep(POLL_MILLISECONDS);
    }
  }
  await showProgress(follow());
  return last === "done" ? EXIT.done : EXIT.failed;
}

export async function runFetch(
  runId: string,
  {
    out = `quantfleet-${runId}`,
    metricModule,
    ...outputs
  }: FleetOutputs & ReadOptions & { readonly out?: string },
): Promise<number> {
  const { connectFleet, fetchResult } = await load();
  const result = await fetchResult(connectFleet(outputs), runId, out, { metricModule });
  process.stdout.write(`${[resultText(result), `Written to ${out}.`].join("\n")}\n`);
  return result.best?.withinBound ? EXIT.done : EXIT.boundMissed;
}

export async function runCancel(runId: string, outputs: FleetOutputs): Promise<number> {
  const { cancel, connectFleet } = await load();
  await cancel(connectFleet(outputs), runId);
  return EXIT.done;
}
