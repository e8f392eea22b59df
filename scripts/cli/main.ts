import { CommanderError } from "commander";
import { EXIT, exitCodeOf } from "./exit-code.js";
import { createProgram } from "./program.js";

/** Runs the command line and sets the exit code; errors are one sentence on stderr. */
export async function main(argv: readonly string[]): Promise<void> {
  let code: number = EXIT.done;
  const program = createProgram((exit) => {
    code = exit;
  });
  // Commander's own words for usage errors are printed here once, without its prefix.
  const silent = { writeErr: () => undefined };
  program.configureOutput(silent);
  for (const command of program.commands) command.configureOutput(silent);
  try {
    await program.parseAsync([...argv]);
  } catch (error) {
    code = exitCodeOf(error);
    report(error, argv.includes("--verbose"));
  }
  process.exitCode = code;
}

function report(error: unknown, verbose: boolean): void {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return;
    process.stderr.write(`quantfleet: ${usageProblem(error)}; see quantfleet --help.\n`);
    return;
  }
  if (verbose && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  else
    process.stderr.write(`quantfleet: ${withStop(error instanceof Error ? error.message : String(error))}\n`);
}

/** Commander's words as part of one sentence. */
function usageProblem({ code, message }: CommanderError): string {
  if (code === "commander.help") return "a command is missing";
  const text = message
    .replace(/^error: /, "")
    .replace(/\s+/g, " ")
    .replace("(Did you", "(did you")
    .trim();
  const invalid = /^option '(--[\w-]+)[^']*' argument '(.*)' is invalid\. (.*?)\.?$/.exec(text);
  if (invalid === null) return text.replace(/\.$/, "");
  const [, option, value, problem = ""] = invalid;
  return `${option} is "${value}", but ${problem.replace("Allowed choices are", "must be one of")}`;
}

function withStop(sentence: string): string {
  return /[.?!)]$/.test(sentence) ? sentence : `${sentence}.`;
}
