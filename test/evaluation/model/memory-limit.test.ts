import assert from "node:assert/strict";
import { totalmem } from "node:os";
import { describe, test } from "node:test";
import { memoryLimit, memoryProblem, parseBytes } from "../../../shared/basics/memory-limit.js";

describe("memory limit", () => {
  test("sizes are numbers of bytes, with or without a unit", () => {
    assert.equal(parseBytes("4GB"), 4e9);
    assert.equal(parseBytes("1.5 GiB"), 1.5 * 2 ** 30);
    assert.equal(parseBytes("512mb"), 512e6);
    assert.equal(parseBytes("1000"), 1000);
    for (const text of ["", "GB", "4 elephants", "-4GB", "0", "1e9", "4GB4", "0.1B"]) {
      assert.equal(parseBytes(text), undefined, text);
    }
  });

  test("is the set value, or three quarters of the function's or the machine's memory", () => {
    assert.equal(memoryLimit({ QUANTFLEET_MAX_MEMORY: "2GB", AWS_LAMBDA_FUNCTION_MEMORY_SIZE: "1024" }), 2e9);
    assert.equal(memoryLimit({ AWS_LAMBDA_FUNCTION_MEMORY_SIZE: "1024" }), 768 * 2 ** 20);
    assert.ok(memoryLimit({}) <= 0.75 * totalmem());
    assert.throws(() => memoryLimit({ QUANTFLEET_MAX_MEMORY: "much" }), {
      code: "USAGE",
      message: 'QUANTFLEET_MAX_MEMORY is "much", which is no size; give one such as 4GB.',
    });
  });

  test("is named in errors, with what was needed and how to raise the limit", () => {
    assert.equal(memoryProblem(100, 100), undefined);
    assert.match(
      memoryProblem(40e9, 19.25e9)!,
      /^40 GB of memory, more than the limit of 19\.3 GB; raise it with --max-memory /,
    );
  });
});
