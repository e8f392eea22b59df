import type { RandomStream } from "../../../../shared/search/numerics/random.js";
import { mutateBytesSomehow } from "./bytes-mutation.js";
import { oneOf, weighted } from "./choose.js";
import type { FuzzInput } from "./fuzz-input.js";
import { type Json, mutateJsonSomehow } from "./json-mutation.js";
import { mutateText, TEXT_MUTATIONS } from "./text-mutation.js";

const COMMANDS = { replay: 6, quantize: 4, trial: 4, resume: 5, warm: 2 };
const ARGUMENTS = {
  replay: ["replay", "out"],
  quantize: ["quantize", "config.json", "--configuration", "out/configuration.json", "--out", "other"],
  trial: ["quantize", "out", "--trial", "1"],
  resume: ["tune", "config.json", "--out", "out", "--workers", "1", "--resume", "--max-trials", "3"],
  warm: ["tune", "warm.json", "--out", "out", "--workers", "1"],
} as const;
/** Matches the files of an output folder that later commands read. */
const READ = /^out\/(run\/|configuration\.json$)/;

/** A fuzz input: a run's output folder with one record mutated, removed or replaced by another record. */
export function changedRecord(
  random: RandomStream,
  recorded: ReadonlyMap<string, Uint8Array>,
): Omit<FuzzInput, "number"> {
  const files = new Map(recorded);
  const names = [...files.keys()].filter((name) => READ.test(name)).sort();
  const name = oneOf(random, names);
  const bytes = files.get(name)!;
  const how = weighted(random, { values: 10, text: 3, bytes: 3, remove: 1, exchange: 1 });
  const mutations: string[] = [name, how];
  if (how === "remove") files.delete(name);
  else if (how === "exchange") files.set(name, files.get(oneOf(random, names))!);
  else if (how === "bytes" || !name.endsWith(".json")) {
    const changed = mutateBytesSomehow(bytes, random);
    mutations.push(...changed.mutations);
    files.set(name, changed.bytes);
  } else if (how === "text") {
    const mutation = oneOf(random, TEXT_MUTATIONS);
    mutations.push(mutation);
    files.set(name, mutateText(Buffer.from(bytes).toString("utf8"), random, mutation));
  } else {
    const document = JSON.parse(Buffer.from(bytes).toString("utf8")) as Json;
    const changed = mutateJsonSomehow(document, random);
    mutations.push(...changed.mutations);
    files.set(name, Buffer.from(JSON.stringify(changed.document)));
  }
  files.set("warm.json", warmStart(files.get("config.json")!));
  const argv = ARGUMENTS[weighted(random, COMMANDS)];
  return { kind: "record", mutations, run: { type: "command", files, argv } };
}

/** The configuration of a run that continues with the trials of the recorded run. */
function warmStart(configuration: Uint8Array): Uint8Array {
  const document = JSON.parse(Buffer.from(configuration).toString("utf8"));
  Object.assign(document.optimizer.params, { trials_load_method: "warm_start", max_trials: 3 });
  return Buffer.from(JSON.stringify(document));
}
