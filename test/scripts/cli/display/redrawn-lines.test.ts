import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import { RedrawnLines } from "../../../../scripts/cli/display/redrawn-lines.js";

const ESCAPE = "\u001b[";

/**
 * The lines that a terminal shows which supports only "cursor up" and "clear below", as the output uses no
 * other sequence.
 */
function screenOf(output: string): string[] {
  const screen: string[] = [""];
  let row = 0;
  const print = (text: string): void => {
    for (const [i, line] of text.split("\n").entries()) {
      if (i > 0) screen[++row] ??= "";
      screen[row] += line;
    }
  };
  const [before = "", ...rest] = output.split(ESCAPE);
  print(before);
  for (const part of rest) {
    const [, count = "", command, text = ""] = /^(\d*)([A-Z])(.*)$/s.exec(part) ?? [];
    if (command === "A") row -= Number(count);
    else if (command === "J") screen.splice(row, screen.length, "");
    else assert.fail(`what the terminal does not understand: ${JSON.stringify(part)}`);
    print(text);
  }
  return screen;
}

test("a drawing replaces the previous one, also with fewer lines, and keeps what is above", () => {
  const stream = new PassThrough();
  stream.write("before\n");
  const lines = new RedrawnLines(stream);
  lines.draw(["one", "two", "three"]);
  lines.draw(["ONE"]);
  lines.draw(["a", "b"]);
  assert.deepEqual(screenOf(String(stream.read())), ["before", "a", "b", ""]);
});
