import type { InferenceSession } from "onnxruntime-node";
import { DataError } from "../errors.js";
import type { InputBatch } from "./data/dataset.js";
import { toFeeds } from "./feeds.js";

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
      `${locate()}: the model cannot be run on this, because ${reasonOf(cause)}; correct the data to what the model takes, or leave the row out with rows.`,
      { cause },
    );
  }
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
