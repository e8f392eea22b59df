import { replay } from "../../api/index.js";
import { EXIT } from "./exit-code.js";

export async function runReplay(out: string, { json }: { readonly json?: boolean }): Promise<number> {
  const result = await replay(out);
  const { runId, asks, divergences } = result;
  if (json === true) process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
  else if (divergences.length === 0) process.stdout.write(`Run ${runId}: all ${asks} asks repeat.\n`);
  else {
    const trials = divergences.map(({ trial }) => trial).join(", ");
    process.stdout.write(`Run ${runId}: ${divergences.length} of ${asks} asks differ (trials ${trials}).\n`);
  }
  return divergences.length === 0 ? EXIT.done : EXIT.failed;
}
