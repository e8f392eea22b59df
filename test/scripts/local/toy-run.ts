import { startEngine } from "../../../scripts/local/engine.js";
import { toyRequest, toyStudy } from "../../run/toy-study.js";
import { ToyRunner } from "./toy-runner.js";

/** Runs the toy run in the given folder, and sends the parent the number of ended trials. */
const [folder = "", maxTrials = "0", slots = "1", resume = ""] = process.argv.slice(2);
const request = toyRequest({ maxTrials: Number(maxTrials), parallel: Number(slots), groups: 8 });
const engine = startEngine({
  folder,
  study: toyStudy,
  runner: new ToyRunner(request, Number(slots), 3),
  run: resume === "resume" ? { resume: request.runId } : { request },
});
for await (const { trialsDone } of engine.progress) process.send?.(trialsDone);
const { phase } = await engine.ended;
process.exitCode = phase === "done" ? 0 : 1;
process.disconnect?.();
