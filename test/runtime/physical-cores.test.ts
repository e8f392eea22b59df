import assert from "node:assert/strict";
import { availableParallelism } from "node:os";
import { describe, test } from "node:test";
import { physicalCores } from "../../shared/runtime/physical-cores.js";

/** Text of `/proc/cpuinfo` for logical processors, given as [socket, core]. */
function cpuInfo(...processors: (readonly [socket: number, core: number])[]): () => string {
  const text = processors
    .map(
      ([socket, core], i) =>
        `processor\t: ${i}\nphysical id\t: ${socket}\nsiblings\t: 4\ncore id\t\t: ${core}\ncpu cores\t: 2\n`,
    )
    .join("\n");
  return () => `${text}\n`;
}

describe("Physical cores", () => {
  const available = availableParallelism();
  test("count two threads of one core once, and equal core numbers on two sockets twice", () => {
    assert.equal(physicalCores(cpuInfo([0, 0], [0, 0])), 1);
    assert.equal(physicalCores(cpuInfo([0, 0], [1, 0])), Math.min(2, available));
    assert.equal(physicalCores(cpuInfo([0, 0], [0, 1], [0, 0], [0, 1])), Math.min(2, available));
  });

  test("are no more than this process may use", () => {
    const many = Array.from({ length: 4096 }, (_, core) => [0, core] as const);
    assert.equal(physicalCores(cpuInfo(...many)), available);
  });

  test("are the logical ones where the machine does not report them", () => {
    assert.equal(
      physicalCores(() => ""),
      available,
    );
    assert.equal(
      physicalCores(() => "processor\t: 0\nBogoMIPS\t: 48.00\n"),
      available,
    );
    assert.ok(physicalCores() >= 1);
  });
});
