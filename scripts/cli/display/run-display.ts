import type { Progress } from "../../../shared/run/result/progress.js";
import type { RunView } from "../../fleet/index.js";
import { type Frame, liveTable } from "./live-table.js";
import { showProgress } from "./progress-display.js";
import { RedrawnLines } from "./redrawn-lines.js";

const DEFAULT_FRAME: Frame = { columns: 80, rows: 24 };

/** Shows a run on stderr: a table that is redrawn on a terminal, otherwise plain lines. */
export async function showRun(views: AsyncIterable<RunView>): Promise<void> {
  const { stderr } = process;
  if (!stderr.isTTY) return showProgress(progressOf(views));
  const lines = new RedrawnLines(stderr);
  // The last frame stays on the screen after the run.
  for await (const view of views) {
    // The terminal's size is read for each frame, as windows are resized; some terminals report no size.
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
