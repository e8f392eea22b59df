/**
 * Prints, as JSON, the processor class of this process and the outputs of models for the same inputs:
 * `model-outputs.js MODEL…`, each with one float input. Run on several processors by `run.ts`.
 */

import { toFeeds } from "../../shared/runtime/feeds.js";
import { processorClass } from "../../shared/runtime/processor-probe.js";
import { DEFAULT_SESSION, openSession, portsOf } from "../../shared/runtime/session.js";
import { RandomValues } from "../fixtures/models/random-values.js";

const SAMPLES = 16;

async function outputsOf(path: string): Promise<number[]> {
  const session = await openSession(path, DEFAULT_SESSION);
  const { name, shape } = portsOf(session).inputs[0]!;
  const dims = shape.map((length) => (typeof length === "number" ? length : 1));
  const size = dims.reduce((product, length) => product * length, 1);
  const random = new RandomValues(21);
  const outputs: number[] = [];
  for (let sample = 0; sample < SAMPLES; sample++) {
    const data = Float32Array.from({ length: size }, () => random.normal());
    const given = await session.run(toFeeds({ [name]: { type: "float32", data, dims } }));
    for (const output of session.outputNames) outputs.push(...(given[output]!.data as Float32Array));
  }
  await session.release();
  return outputs;
}

const models: number[][] = [];
for (const path of process.argv.slice(2)) models.push(await outputsOf(path));
console.log(JSON.stringify({ processor: await processorClass(), models }));
