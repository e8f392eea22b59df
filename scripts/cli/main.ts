import { type Command, CommanderError } from "commander";
import { EXIT, exitCodeOf } from "./commands/exit-code.js";
import { commandsWithin, createProgram } from "./commands/program.js";

/** Outcome of a command: its exit code, and its error if it failed. */
export interface Ended {
  readonly code: number;
  /** The exception that the command threw. */
  readonly error?: unknown;
}

/** Runs the command line and sets the exit code; errors are printed as one sentence on stderr. */
export async function main(argv: readonly string[]): Promise<void> {
  const { code } = await runCommandLine(argv, (error, program) =>
    report(error, argv.includes("--verbose"), helpFor(program, argv)),
  );
  process.exitCode = code;
}

/**
 * Runs the command line and returns the exit code.
 *
 * @param onError called with the exception that a command threw
 */
export async function runCommandLine(
  argv: readonly string[],
  onError: (error: unknown, program: Command) => void = () => undefined,
): Promise<Ended> {
  let code: number = EXIT.done;
  const program = createProgram((exit) => {
    code = exit;
  });
  // Commander's own output is suppressed, because usage errors are printed once in `report`.
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

/** The help command that explains the called command. */
function helpFor(program: Command, [, , name]: readonly string[]): string {
  const called = program.commands.find((command) => command.name() === name);
  return ["quantfleet", ...(called === undefined ? [] : [called.name()]), "--help"].join(" ");
}

/** Commander's message as a part of a sentence. */
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
