import { init } from "../../api/index.js";
import { EXIT } from "./exit-code.js";

interface Options {
  readonly out?: string;
  readonly force?: boolean;
}

export async function runInit(model: string, data: readonly string[], options: Options): Promise<number> {
  const { config, files, notes } = await init(model, { data, ...options });
  const next = [
    `quantfleet quantize ${config}    # a quantized model in seconds`,
    `quantfleet tune ${config}        # the search for the best one`,
  ];
  process.stdout.write(
    [...notes, `Written: ${files.join(", ")}. Next:`, ...next.map((line) => `  ${line}`), ""].join("\n"),
  );
  return EXIT.done;
}
