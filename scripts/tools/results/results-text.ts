import { stripVTControlCharacters } from "node:util";
import type { Measurement } from "./measurements.js";

export const RESULTS_PAGE = "docs/results/results.md";
/** The marker lines around the measured part of the results page. */
export const RESULTS_MARKERS = ["<!-- measured -->", "<!-- end of what was measured -->"] as const;

/** Load average of the machine above which measured times say little. */
const BUSY = 1;

export interface Measured {
  readonly measurement: Measurement;
  readonly output: string;
  readonly date: string;
  /** The machine's load average of the last minute when the measurement began. */
  readonly load: number;
}

export interface Machine {
  readonly processor: string;
  readonly versions: string;
}

/** The measured part of the results page: a section for each measurement, its tables as Markdown. */
export function resultsText(measured: readonly Measured[], machine: Machine): string {
  return measured.map((each) => section(each, machine)).join("\n\n");
}

function section({ measurement, output, date, load }: Measured, { processor, versions }: Machine): string {
  const { title, about, command, isTimed, leaveOut } = measurement;
  const lines = stripVTControlCharacters(output)
    .split("\n")
    .filter((line) => leaveOut === undefined || !leaveOut.test(line));
  const busy =
    isTimed && load > BUSY
      ? ` The machine was shared (load ${load.toFixed(0)}), so times and speeds are no figures of merit.`
      : "";
  return [
    `## ${title}`,
    `${about}${busy}`,
    `\`${command.map((part) => (/\s/.test(part) ? JSON.stringify(part) : part)).join(" ")}\` · ${date} · ${processor} · ${versions}`,
    markdownOf(lines),
  ].join("\n\n");
}

/** The output of a command as Markdown: box-drawn tables become Markdown tables, other lines paragraphs. */
export function markdownOf(lines: readonly string[]): string {
  const blocks: string[] = [];
  let rows: string[][] = [];
  const endTable = (): void => {
    const [head, ...body] = rows;
    if (head !== undefined) blocks.push([row(head), row(head.map(() => "---")), ...body.map(row)].join("\n"));
    rows = [];
  };
  for (const line of lines) {
    if (line.startsWith("│"))
      rows.push(
        line
          .split("│")
          .slice(1, -1)
          .map((cell) => cell.trim()),
      );
    else if (!/^[├]/.test(line)) {
      endTable();
      if (line.trim() !== "" && !/^[┌└]/.test(line)) blocks.push(line.trim());
    }
  }
  endTable();
  return blocks.join("\n\n");
}

function row(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
}
