import { evaluate } from "../../api/index.js";
import { reportWarnings } from "../display/warnings.js";
import { EXIT } from "./exit-code.js";

export async function runEvaluate(
  model: string,
  config: string,
  { json }: { readonly json?: boolean },
): Promise<number> {
  const result = await evaluate(model, config);
  reportWarnings(result.warnings);
  const { name, value, samples, interval } = result.metric;
  process.stdout.write(
    json === true
      ? `${JSON.stringify(result, null, 2)}\n`
      : `${name} ${value} on ${samples} samples, 95 % interval [${interval[0].toFixed(4)}, ${interval[1].toFixed(4)}]; ${(1000 * result.secondsPerSample).toPrecision(3)} ms per sample.\n`,
  );
  return EXIT.done;
}
