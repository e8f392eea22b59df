import { type Command, CommanderError } from "commander";
import { EXIT, exitCodeOf } from "./commands/exit-code.js";
import { commandsWithin, createProgram } from "./commands/program.js";

/** How a command line ended. */
export interface Ended {
  readonly code: number;
  /** What its command has thrown. */
  readonly error?: unknown;
}

/** Runs the command line and sets the exit code; errors are one sentence on stderr. */
export async function main(argv: readonly string[]): Promise<void> {
  const { code } = await runCommandLine(argv, (error, program) =>
    report(error, argv.includes("--verbose"), helpFor(program, argv)),
  );
  process.exitCode = code;
}

/** @param onError told what the command has thrown */
export async function runCommandLine(
  argv: readonly string[],
  onError: (error: unknown, program: Command) => void = () => undefined,
): Promise<Ended> {
  let code: number = EXIT.done;
  const program = createProgram((exit) => {
    code = exit;
  });
  // Commander's own words for usage errors are printed here once, without its prefix.
  const silent = { writeErr: () => undefined };
  for (const command of [program, ...commandsWithin(program)]) command.configureOutput(silent);
  try {
    await program.parseAsync([...argv]);
    return { code };
  } catch (error) {
    onError(error, program);
    return { code: exitCodeOf(error), error };
  }
}

function report(error: unknown, verbose: boolean, help: string): void {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return;
    process.stderr.write(`quantfleet: ${usageProblem(error)}; see ${help}.\n`);
    return;
  }
  if (verbose && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  else
    process.stderr.write(`quantfleet: ${withStop(error instanceof Error ? error.message : String(error))}\n`);
}

/** The command line that says how the one that was called is to be called. */
function helpFor(program: Command, [, , name]: readonly string[]): string {
  const called = program.commands.find((command) => command.name() === name);
  return ["quantfleet", ...(called === undefined ? [] : [called.name()]), "--help"].join(" ");
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
