import * as z from "zod";

const MAX_MESSAGE = 2_000;
/** More than there are kinds of them: some come once a section or key. */
export const MOST_WARNINGS = 100;

/**
 * What a user should know of a run that is no error. A note says what has no effect or may be meant; a warning, that the
 * result is likely not what was wanted. Whoever asks for a run writes those of configuration, data and machine into the
 * request, and those of the outcome are added with the result: both engines carry them in the run's own records.
 */
export const runWarningSchema = z.strictObject({
  level: z.enum(["note", "warning"]),
  /** Names the kind, for programs. */
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
  /** One sentence. */
  message: z.string().min(1).max(MAX_MESSAGE),
});

/** The kinds that only the outcome of a run tells. */
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

/** A warning as a person reads it. */
export function warningText({ level, message }: RunWarning): string {
  return `${level === "note" ? "Note" : "Warning"}: ${message}`;
}
