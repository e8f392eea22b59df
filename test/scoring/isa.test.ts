import assert from "node:assert/strict";
import { arch } from "node:process";
import { test } from "node:test";
import { instructionSet } from "../../shared/scoring/isa.js";

const flags = (names: string) => () => `processor\t: 0\nflags\t\t: fpu ${names} avx2\n`;

test("x86 is told apart by VNNI alone, other processors by their name", () => {
  const x64 = (name: string) => (arch === "x64" ? name : arch);
  assert.equal(instructionSet(flags("avx512f avx512_vnni")), x64("x64-vnni"));
  assert.equal(instructionSet(flags("avx_vnni")), x64("x64-vnni"));
  assert.equal(instructionSet(flags("avx512f")), x64("x64"));
  assert.equal(instructionSet(flags("not_avx512_vnni2")), x64("x64"));
  assert.equal(
    instructionSet(() => ""),
    x64("x64"),
  );
});

test("this machine's is one of them", () => {
  assert.match(instructionSet(), /^(x64|x64-vnni|arm64)$/);
});
