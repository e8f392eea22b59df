import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { classCharacters, decodeGreedily } from "../../shared/metrics/ctc.js";
import { characterAccuracy, textAccuracy } from "../../shared/metrics/text.js";
import { floats, lines, port } from "./fixtures.js";

const LIST = { characters: ["a", "b", "c"], name: "characters.txt" };

/** One-hot scores of shape [samples, steps, count]. */
function steps(count: number, ...samples: readonly (readonly number[])[]) {
  const values = samples.flatMap((sample) =>
    sample.flatMap((best) => Array.from({ length: count }, (_, index) => (index === best ? 1 : 0))),
  );
  return floats([samples.length, samples[0]?.length ?? 0, count], ...values);
}

describe("Greedy CTC", () => {
  const known = classCharacters(LIST.characters, 4, LIST.name);
  test("merges repeats and drops blanks; a blank separates two equal characters", () => {
    const out = steps(4, [1, 1, 0, 1, 2, 2], [0, 0, 3, 0, 0, 0]);
    assert.deepEqual(decodeGreedily(out, known), ["aab", "c"]);
  });

  test("one class more than blank and characters is the space", () => {
    const withSpace = classCharacters(LIST.characters, 5, LIST.name);
    assert.deepEqual(decodeGreedily(steps(5, [1, 4, 4, 2]), withSpace), ["a b"]);
  });

  test("other numbers of classes are refused", () => {
    assert.throws(() => textAccuracy(port(["N", "T", 9]), LIST), {
      name: "DataError",
      message:
        "characters.txt has 3 characters, which with the blank make 4 classes (5 with a space), but the model's output has 9; give the characters that the model was trained with.",
    });
    assert.throws(() => textAccuracy(port(["N", 9]), LIST), {
      message: `the model's output "out" has shape [N, 9], but a ctc decoder takes [samples, steps, classes]; choose another with engine.metric.output.`,
    });
  });
});

test("text_accuracy counts texts that are equal, ignoring spaces", () => {
  const metric = textAccuracy(port(["N", "T", 5]), LIST);
  const out = steps(5, [1, 4, 2], [1, 2, 0], [0, 0, 0]);
  assert.deepEqual(metric.score({ out }, lines("a b", "a\u3000 b", "c")), Float32Array.of(1, 1, 0));
});

test("character_accuracy is one minus edit distance divided by the longer length", () => {
  const metric = characterAccuracy(port(["N", "T", 5]), LIST);
  const out = steps(5, [1, 2, 3], [1, 0, 0], [0, 0, 0]);
  assert.deepEqual(metric.score({ out }, lines("abb", "abca", "")), Float32Array.of(2 / 3, 0.25, 1));
});

test("an array of labels is refused", () => {
  const labels = { kind: "numbers", shape: [2], data: Float64Array.of(1, 2), integers: true } as const;
  assert.throws(() => textAccuracy(port(["N", "T", 5]), LIST).checkLabels(labels, "y.npy"), {
    name: "DataError",
    message:
      "y.npy is an array of shape [2], but this metric compares text; give a text file with a line a sample.",
  });
});
