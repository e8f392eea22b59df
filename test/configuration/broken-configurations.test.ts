import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ConfigurationError } from "../../shared/basics/errors.js";
import { parseConfiguration } from "../../shared/configuration/parse.js";
import { BROKEN_TEXTS } from "../fixtures/broken/configuration-texts.js";
import { spoil } from "../fixtures/broken/spoiled-configuration.js";
import { SPOILED_DATA_SECTIONS } from "../fixtures/broken/spoiled-data.js";
import { SPOILED_SEARCHES } from "../fixtures/broken/spoiled-search.js";

const FILE = "run.json";

function refusalOf(text: string): ConfigurationError {
  try {
    parseConfiguration(text, { file: FILE });
  } catch (error) {
    if (error instanceof ConfigurationError) return error;
    throw error;
  }
  assert.fail("the configuration was accepted");
}

describe("A configuration file is refused as a whole", () => {
  for (const { title, text, path, message } of BROKEN_TEXTS) {
    test(title, () => {
      const { code, path: found, message: given } = refusalOf(text);
      assert.deepEqual({ code, path: found, message: given }, { code: "CONFIGURATION", path, message });
    });
  }
});

describe("A configuration is refused for one value", () => {
  test("and is valid without it", () => {
    parseConfiguration(spoil("model.model", "model.onnx"), { file: FILE });
  });
  for (const { title, at, value, path = at, says } of [...SPOILED_DATA_SECTIONS, ...SPOILED_SEARCHES]) {
    test(title, () => {
      const { code, path: found, message } = refusalOf(spoil(at, value));
      assert.deepEqual(
        { code, path: found, message },
        { code: "CONFIGURATION", path, message: `${path} in ${FILE} ${says}` },
      );
    });
  }
});
