import { parentPort } from "node:worker_threads";
import { main } from "../../../scripts/cli/main.js";
import type { CommandOutcome } from "./command.js";

type Write = typeof process.stdout.write;

/** Captures what is written to a stream while a command runs. */
function capture(stream: NodeJS.WriteStream): { text(): string; stop(): void } {
  const original = stream.write;
  const chunks: string[] = [];
  stream.write = ((chunk: string | Uint8Array) => {
    chunks.push(typeof chunk === "string" ? chunk : Buffer.from(chunk).toString("utf8"));
    return true;
  }) as Write;
  return {
    text: () => chunks.join(""),
    stop: () => {
      stream.write = original;
    },
  };
}

/** Runs command lines one after another in one thread, whose streams nothing else writes to. */
if (parentPort !== null) {
  const port = parentPort;
  port.on("message", async (argv: readonly string[]) => {
    const [stdout, stderr] = [capture(process.stdout), capture(process.stderr)];
    await main(["node", "quantfleet", ...argv]);
    stdout.stop();
    stderr.stop();
    const outcome: CommandOutcome = {
      code: Number(process.exitCode ?? 0),
      stdout: stdout.text(),
      stderr: stderr.text(),
    };
    port.postMessage(outcome);
  });
}
