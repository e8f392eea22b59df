import type { InferenceSession } from "onnxruntime-node";
import { DataError } from "../basics/errors.js";
import { toFeeds } from "./feeds.js";
import type { InputBatch } from "./input-batch.js";

/**
 * Runs a session on samples and returns its outputs.
 *
 * @param locate describes the samples' place for messages
 * @throws {DataError} when the model fails on them, such as on a token beyond its vocabulary
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
      `${locate()}: the model cannot be run on this, because ${reasonOf(cause)}; ${layoutHint(batch)}correct the data to what the model takes, or leave the row out with rows.`,
      { cause },
    );
  }
}

/** An axis of at most this length can be the channels of an image. */
const MAX_CHANNELS = 4;

/**
 * A hint for an error message when an input looks like images of the other layout, which cannot be checked
 * beforehand where the model's axes are dynamic; otherwise empty.
 */
function layoutHint(batch: InputBatch): string {
  for (const [name, { dims }] of Object.entries(batch)) {
    const [, first = 0, , last = 0] = dims.length === 4 ? dims : [];
    const order =
      last <= MAX_CHANNELS && first > MAX_CHANNELS
        ? "(0, 3, 1, 2)"
        : first <= MAX_CHANNELS && last > MAX_CHANNELS
          ? "(0, 2, 3, 1)"
          : undefined;
    if (order !== undefined && first > 0)
      return `if input ${JSON.stringify(name)} has its axes in another order, transpose with ${order}; otherwise `;
  }
  return "";
}

/** ONNX Runtime's reason for a failure and the node that it names, without the locations in its source code. */
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
