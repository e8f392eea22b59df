import type { InferenceSession } from "onnxruntime-node";
import { DataError } from "../basics/errors.js";
import { toFeeds } from "./feeds.js";
import type { InputBatch } from "./input-batch.js";

/**
 * What a session gives for samples.
 *
 * @param locate how messages name the samples
 * @throws DataError when the model cannot be run on them, such as on a token beyond its vocabulary
 */
export async function runSamples(
  session: Pick<InferenceSession, "run">,
  batch: InputBatch,
  locate: () => string,
): Promise<InferenceSession.OnnxValueMapType> {
  try {
    return await session.run(toFeeds(batch));
  } catch (cause) {
    throw new DataError(
      `${locate()}: the model cannot be run on this, because ${reasonOf(cause)}; ${transposition(batch)}correct the data to what the model takes, or leave the row out with rows.`,
      { cause },
    );
  }
}

/** Pictures have few channels, so that the axis of the channels shows. */
const MOST_COLOURS = 4;

/** Where an input looks like pictures of the other layout, which a model of free axes does not tell beforehand. */
function transposition(batch: InputBatch): string {
  for (const [name, { dims }] of Object.entries(batch)) {
    const [, first = 0, , last = 0] = dims.length === 4 ? dims : [];
    const order =
      last <= MOST_COLOURS && first > MOST_COLOURS
        ? "(0, 3, 1, 2)"
        : first <= MOST_COLOURS && last > MOST_COLOURS
          ? "(0, 2, 3, 1)"
          : undefined;
    if (order !== undefined && first > 0)
      return `if input ${JSON.stringify(name)} has its axes in another order, transpose with ${order}; otherwise `;
  }
  return "";
}

/** ONNX Runtime's reason and the node that it gives, without the places in its own source that it comes from. */
function reasonOf(error: unknown): string {
  const text = (error instanceof Error ? error.message : String(error)).replace(/\s+/g, " ").trim();
  const failed = /running (\S+) node\. Name:'([^']*)' Status Message: (.*)$/.exec(text);
  if (failed === null) return text.replace(/\.$/, "");
  const [, type, name, status = ""] = failed;
  const reason = status
    .replace(/\S+\.(?:cc|h|hpp):\d+ (?:.*?\) (?=[a-zA-Z{])|\w+ )?/, "")
    .replace(/^\S* ?was false\. /, "")
    .replace(/\.$/, "");
  return `${type} ${JSON.stringify(name)} failed (${reason})`;
}
