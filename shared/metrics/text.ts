import { distance } from "fastest-levenshtein";
import { DataError } from "../basics/errors.js";
import type { LabelSlice } from "../data/labels.js";
import type { ModelPort } from "../runtime/tensor.js";
import { classCharacters, decodeGreedily, requireSequenceShape } from "./ctc.js";
import { meanMetric } from "./mean-metric.js";
import type { Metric } from "./metric.js";
import { labelsOf, outputNamed, requireSameSamples, shapeOf } from "./output.js";

/** The characters that a text recognition model knows, and the name of their file in messages. */
export interface CharacterList {
  readonly characters: readonly string[];
  readonly name: string;
}

/** Metric: fraction of samples whose recognized text is exactly right, ignoring spaces. */
export function textAccuracy(output: ModelPort, list: CharacterList): Metric {
  return textMetric("text_accuracy", output, list, (found, expected) => (found === expected ? 1 : 0));
}

/**
 * Mean over samples of one minus the edit distance divided by the length of the longer text, ignoring spaces.
 * Lengths are in UTF-16 units.
 */
export function characterAccuracy(output: ModelPort, list: CharacterList): Metric {
  return textMetric("character_accuracy", output, list, (found, expected) => {
    const longer = Math.max(found.length, expected.length);
    return longer === 0 ? 1 : 1 - distance(found, expected) / longer;
  });
}

function textMetric(
  name: string,
  output: ModelPort,
  list: CharacterList,
  similarity: (found: string, expected: string) => number,
): Metric {
  const classes = requireSequenceShape(output);
  if (classes !== undefined) classCharacters(list.characters, classes, list.name);
  return meanMetric({
    name,
    direction: "maximize",
    needs: "labels",
    range: [0, 1],
    checkLabels: (labels, place) => void textLabels(labels, place),
    score(outputs, reference) {
      const scores = outputNamed(outputs, output.name);
      const expected = textLabels(labelsOf(reference), "engine.evaluation.labels");
      requireSequenceShape({ name: output.name, type: scores.type, shape: scores.dims });
      requireSameSamples(scores.dims[0] ?? 0, expected.length, output.name);
      const characters = classCharacters(list.characters, scores.dims[2] ?? 0, list.name);
      const found = decodeGreedily(scores, characters);
      return Float32Array.from(found, (text, sample) =>
        similarity(withoutSpaces(text), withoutSpaces(expected[sample] ?? "")),
      );
    },
  });
}

function withoutSpaces(text: string): string {
  return text.replace(/\s+/gu, "");
}

function textLabels(labels: LabelSlice, name: string): readonly string[] {
  if (labels.kind === "lines") return labels.lines;
  throw new DataError(
    `${name} is an array of shape ${shapeOf(labels.shape)}, but this metric compares text; give a text file with a line a sample.`,
  );
}
