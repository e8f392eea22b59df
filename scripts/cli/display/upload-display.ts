import type { UploadProgress } from "../../fleet/index.js";
import { bar } from "./bar.js";
import { RedrawnLines } from "./redrawn-lines.js";
import { bytesCell } from "./result-table.js";

/** A line is printed each time that this share of a file has been sent, where the stream is not a terminal. */
const LINE_SHARE = 0.1;
const DEFAULT_COLUMNS = 80;

type Stream = NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };

/** Shows uploads one file after the other: a bar that is redrawn on a terminal, otherwise plain lines. */
export function uploadDisplay(stream: Stream): (progress: UploadProgress) => void {
  let drawn = new RedrawnLines(stream);
  let printed = 0;
  return ({ file, bytes, sent, wasThere }) => {
    const isWhole = sent >= bytes;
    const line = isWhole
      ? `${wasThere ? "Already there" : "Uploaded"}: ${file} (${bytesCell(bytes)}).`
      : `Uploading: ${bytesCell(sent)} of ${bytesCell(bytes)} of ${file}`;
    if (stream.isTTY === true) {
      const whole = isWhole ? line : `${bar(sent, bytes)} ${line}`;
      drawn.draw([isWhole ? whole : [...whole].slice(0, stream.columns || DEFAULT_COLUMNS).join("")]);
    } else if (isWhole || sent / bytes >= printed + LINE_SHARE) {
      stream.write(`${line}\n`);
      printed = sent / bytes;
    }
    if (!isWhole) return;
    drawn = new RedrawnLines(stream);
    printed = 0;
  };
}
