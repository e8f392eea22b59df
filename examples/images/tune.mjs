import { tune } from "quantfleet";

const run = await tune("config.json", { out: "tuned", workers: 1, force: true });
for await (const { trialsDone, best } of run.progress) {
  console.error(`${trialsDone} trials, best ${best?.measurement.metric ?? "none yet"}`);
}
const { float, best } = await run.result;
console.log(`float: accuracy ${float.metric.value}, ${float.bytes} bytes`);
console.log(`best: accuracy ${best.metric.value}, ${best.bytes} bytes, trial ${best.trial}`);
