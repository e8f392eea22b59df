import { QuantfleetError } from "../../../shared/basics/errors.js";
import type { RunResult } from "../../../shared/run/result/result.js";
import type { ConfigurationSource } from "../../api/index.js";
import { type TuneOptions, tune } from "../../api/index.js";
import { showProgress } from "../display/progress-display.js";
import { resultText } from "../display/result-table.js";
import { newWarnings, reportWarnings } from "../display/warnings.js";
import { EXIT } from "./exit-code.js";
import { watchInterruption } from "./interruption.js";

/** Tunes with progress on stderr; Ctrl-C stops the search and writes the best so far. */
export async function tuneWithProgress(
  source: ConfigurationSource,
  options: TuneOptions,
): Promise<{ readonly result: RunResult; readonly out: string; readonly interrupted: boolean }> {
  const interruption = watchInterruption();
  try {
    const run = await tune(source, { ...options, signal: interruption.signal });
    process.stderr.write(
      `Run ${run.runId}, ${run.workload.subject.space.parameters.length} parameters; records in ${run.out}.\n`,
    );
    for (const notice of run.notices) process.stderr.write(`${notice}\n`);
    reportWarnings(run.warnings);
    await showProgress(run.progress);
    const result = await run.result.catch((cause: unknown) => {
      if (!interruption.signal.aborted) throw cause;
      throw new QuantfleetError(
        "INTERRUPTED",
        `Stopped before the float model and the preset configuration had been scored; resume with --resume --out ${run.out}.`,
        { cause },
      );
    });
    reportWarnings(newWarnings(result.warnings, run.warnings));
    return { result, out: run.out, interrupted: interruption.signal.aborted };
  } finally {
    interruption.stop();
  }
}

export async function runTune(
  config: string,
  options: TuneOptions & { readonly json?: boolean },
): Promise<number> {
  const { json, ...tuning } = options;
  const { result, out, interrupted } = await tuneWithProgress(config, tuning);
  if (json === true) process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
  else process.stdout.write(`${[resultText(result), `Written to ${out}.`].join("\n")}\n`);
  if (interrupted) return EXIT.interrupted;
  return result.best?.withinBound ? EXIT.done : EXIT.boundMissed;
}
