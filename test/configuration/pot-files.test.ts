import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ConfigurationError } from "../../shared/basics/errors.js";
import { parseConfiguration } from "../../shared/configuration/parse.js";
import { parseJsonWithComments } from "../../shared/validation/jsonc.js";
import { POT_CONFIGURATIONS } from "../fixtures/pot-configurations.js";

const FILE = "pot.json";

type Section = Record<string, unknown>;

/** Removes a key; the keys that describe the model are given in ONNX's form instead. */
function without(document: unknown, path: string): void {
  const keys = path.split(".");
  const last = keys.pop()!;
  const section = keys.reduce((within, key) => within[key] as Section, document as Section);
  if (path === "model.model") section[last] = "model.onnx";
  else delete section[last];
}

function refusal(document: unknown): ConfigurationError | undefined {
  try {
    parseConfiguration(JSON.stringify(document), { file: FILE });
    return undefined;
  } catch (error) {
    assert.ok(error instanceof ConfigurationError);
    return error;
  }
}

describe("A file written for POT is refused key by key, and is valid without these keys", () => {
  for (const { title, text, refused, noted } of POT_CONFIGURATIONS) {
    test(title, () => {
      const document = parseJsonWithComments(text, FILE);
      const seen: string[] = [];
      for (let error = refusal(document); error !== undefined; error = refusal(document)) {
        const { path = "", message } = error;
        assert.ok(!seen.includes(path), `${path} is refused a second time: ${message}`);
        assert.ok(message.startsWith(`${path} in ${FILE} `), message);
        assert.match(message.slice(`${path} in ${FILE} `.length), refused[path] ?? /^known/, path);
        seen.push(path);
        without(document, path);
      }
      assert.deepEqual(seen.sort(), Object.keys(refused).sort());
      const { notes } = parseConfiguration(JSON.stringify(document), { file: FILE });
      for (const [path, says] of Object.entries(noted)) {
        const told = notes.filter(({ message }) => message.startsWith(`${path} in ${FILE} has no effect: `));
        assert.equal(told.length, 1, path);
        assert.match(told[0]!.message, says);
        assert.equal(told[0]!.level, "note");
      }
      assert.equal(notes.length, Object.keys(noted).length, notes.map(({ message }) => message).join("\n"));
    });
  }
});
