import * as z from "zod";

const MAX_MESSAGE = 2_000;
/**
 * Upper bound on the warnings of a run: more than there are kinds, because some occur once per section or
 * key.
 */
export const MAX_WARNINGS = 100;

/**
 * A message about a run that is not an error. A note says what has no effect or may be intended; a warning says
 * that the result is probably not what was wanted. The program that submits a run writes the messages about
 * configuration, data and machine into the run's request; those about the outcome are added to the result. Both
 * engines (one machine, fleet) thus store all of them in the run's records.
 */
export const runWarningSchema = z.strictObject({
  level: z.enum(["note", "warning"]),
  /** The kind of the message, for programs to tell apart. */
  code: z.enum([
    "no-effect",
    "control-flow",
    "calibration-preprocessing",
    "shared-rows",
    "more-workers-than-cores",
    "float-accuracy",
    "validation-loss",
    "nothing-moved",
  ]),
  /** The text of the message: one sentence. */
  message: z.string().min(1).max(MAX_MESSAGE),
});

/** The kinds of messages that are known only from the outcome of a run. */
export const OUTCOME_WARNINGS: ReadonlySet<RunWarning["code"]> = new Set([
  "validation-loss",
  "nothing-moved",
]);

export type RunWarning = Readonly<z.infer<typeof runWarningSchema>>;

export function note(code: RunWarning["code"], message: string): RunWarning {
  return { level: "note", code, message: message.slice(0, MAX_MESSAGE) };
}

export function warning(code: RunWarning["code"], message: string): RunWarning {
  return { level: "warning", code, message: message.slice(0, MAX_MESSAGE) };
}

/** The text of a note or warning as shown to a person. */
export function warningText({ level, message }: RunWarning): string {
  return `${level === "note" ? "Note" : "Warning"}: ${message}`;
}
