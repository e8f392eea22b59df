import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import Table from "cli-table3";
import { processorClass } from "../../../shared/runtime/processor-probe.js";
import { onnxruntimeVersion } from "../../../shared/runtime/session.js";
import { OUTPUT_FILES } from "../../api/output-folder.js";
import { tune } from "../../api/tune.js";
import { compareWithPeers } from "./tuning/compare-peers.js";
import { compareWithStatic } from "./tuning/compare-static.js";
import { type BenchModel, loadBenchModels, modelsFolder } from "./tuning/models.js";
import { readOverhead } from "./tuning/overhead.js";

/**
 * `npm run bench -- [--models a,b] [--part tune|static|peers] [--workers 2] [--python python3] [--peers
 * nncf]`: results of tuning the models in `../shared/models` and the overhead of a trial; the preset compared
 * with onnxruntime's quantize_static; and `quantize` compared with quantize_static with each calibrator and
 * NNCF with each preset.
 */
const { values } = parseArgs({
  options: {
    models: { type: "string" },
    part: { type: "string" },
    workers: { type: "string", default: "2" },
    python: { type: "string", default: "python3" },
    peers: { type: "string" },
  },
});

const folder = modelsFolder();
if (folder === undefined) {
  console.log("../shared/models is missing, so nothing can be measured.");
} else {
  console.log(`onnxruntime ${onnxruntimeVersion()}, ${await processorClass()}, Node ${process.version}`);
  const models = loadBenchModels(folder, values.models?.split(","));
  const scratch = mkdtempSync(join(tmpdir(), "quantfleet-bench-"));
  try {
    const isAsked = (part: string): boolean => values.part === undefined || values.part === part;
    if (isAsked("tune")) await benchTuning(models, scratch, Number(values.workers));
    if (isAsked("static")) await benchStatic(models, scratch, values.python);
    if (isAsked("peers")) await benchPeers(models, scratch, values.python);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function benchTuning(models: readonly BenchModel[], scratch: string, workers: number): Promise<void> {
  const table = new Table({
    style: { head: [], border: [] },
    head: [
      "tune",
      "trials",
      "float",
      "best",
      "loss %",
      "quantized",
      "integer",
      "validation (float)",
      "speed-up",
      "wall s",
    ],
  });
  const overheads = new Table({
    style: { head: [], border: [] },
    head: ["a trial", "inference ms", "quantize ms", "session ms", "beyond inference", "report to report"],
  });
  for (const { name, directory, configuration, trials } of models) {
    const out = join(scratch, `tune-${name}`);
    const run = await tune({ configuration, directory }, { out, workers, maxTrials: trials, seed: 1 });
    const { best, float, timing } = await run.result;
    if (best === null) throw new Error(`no trial of ${name} could be scored`);
    table.push([
      name,
      trials,
      float.metric.value.toFixed(4),
      best.metric.value.toFixed(4),
      best.accuracyLoss.toFixed(2),
      `${Math.round(100 * best.quantizedShare.byCount)} %`,
      `${best.integerKernels?.integer} of ${best.integerKernels?.quantized}`,
      `${best.validation?.value.toFixed(4)} (${float.validation?.value.toFixed(4)})`,
      best.latencyRatio?.toFixed(2) ?? "–",
      timing.wallSeconds.toFixed(1),
    ]);
    const overhead = readOverhead(join(out, OUTPUT_FILES.trials));
    // With early stopping there may be no complete trial after the first ten, which are left out.
    overheads.push(
      overhead.trials === 0
        ? [name, "–", "–", "–", "–", "–"]
        : [
            name,
            overhead.inference.toFixed(1),
            overhead.quantize.toFixed(2),
            overhead.session.toFixed(1),
            `${(100 * overhead.beyondInference).toFixed(1)} %`,
            `${(100 * overhead.beyondInferenceBetween).toFixed(1)} %`,
          ],
    );
  }
  console.log(table.toString());
  console.log(overheads.toString());
}

async function benchStatic(models: readonly BenchModel[], scratch: string, python: string): Promise<void> {
  const table = new Table({
    style: { head: [], border: [] },
    head: [
      "quantize",
      "float",
      "ours",
      "quantize_static",
      "points: evaluation",
      "validation",
      "both",
      "our speed over theirs",
      "integer",
    ],
  });
  const points = (ours: number, theirs: number): string => (100 * (ours - theirs)).toFixed(2);
  for (const model of models) {
    const compared = await compareWithStatic(model, scratch, python);
    if (typeof compared === "string") {
      table.push([model.name, { colSpan: 8, content: compared }]);
      continue;
    }
    const { float, ours, theirs, speed, speedNoise, integer, unfused } = compared;
    table.push([
      model.name,
      float.both.toFixed(4),
      ours.both.toFixed(4),
      theirs.both.toFixed(4),
      points(ours.evaluation, theirs.evaluation),
      points(ours.validation, theirs.validation),
      points(ours.both, theirs.both),
      `${speed.toFixed(3)} ± ${(2 * speed * speedNoise).toFixed(3)}`,
      [integer, ...unfused].join("\n"),
    ]);
  }
  console.log(table.toString());
}

async function benchPeers(models: readonly BenchModel[], scratch: string, python: string): Promise<void> {
  const table = new Table({
    style: { head: [], border: [] },
    head: ["quantize", "float", "ours", "peer", "theirs", "ours − theirs, points", "our speed over theirs"],
  });
  for (const model of models) {
    const { float, ours, integer, peers, failures } = await compareWithPeers(
      model,
      scratch,
      python,
      (peer) => values.peers === undefined || peer.startsWith(values.peers),
    );
    for (const { peer, theirs, difference, standardError, speed, speedNoise } of peers) {
      table.push([
        model.name,
        float.toFixed(4),
        `${ours.toFixed(4)} (${integer})`,
        peer,
        theirs.toFixed(4),
        `${(100 * difference).toFixed(2)} ± ${(100 * standardError).toFixed(2)}`,
        `${speed.toFixed(3)} ± ${(2 * speed * speedNoise).toFixed(3)}`,
      ]);
    }
    for (const { peer, reason } of failures)
      table.push([model.name, "", "", peer, { colSpan: 3, content: reason }]);
  }
  console.log(table.toString());
}
