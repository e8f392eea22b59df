import type { Progress } from "../../../shared/run/result/progress.js";
import type { RunView } from "../../fleet/index.js";
import { type Frame, liveTable } from "./live-table.js";
import { showProgress } from "./progress-display.js";
import { RedrawnLines } from "./redrawn-lines.js";

const DEFAULT_FRAME: Frame = { columns: 80, rows: 24 };

/** Follows a run on stderr: a table that is drawn again and again on a terminal, plain lines elsewhere. */
export async function showRun(views: AsyncIterable<RunView>): Promise<void> {
  const { stderr } = process;
  if (!stderr.isTTY) return showProgress(progressOf(views));
  const lines = new RedrawnLines(stderr);
  // The last one stays, so that what the run came to is still to be read.
  for await (const view of views) {
    // Read each time, as windows are resized; terminals that do not tell their size have none.
    const frame = {
      columns: stderr.columns || DEFAULT_FRAME.columns,
      rows: stderr.rows || DEFAULT_FRAME.rows,
    };
    lines.draw(liveTable(view, frame));
  }
}

async function* progressOf(views: AsyncIterable<RunView>): AsyncIterable<Progress> {
  for await (const { progress } of views) yield progress;
}
