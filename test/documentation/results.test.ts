import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { MEASUREMENTS } from "../../scripts/tools/results/measurements.js";
import { markdownOf, RESULTS_PAGE, resultsText } from "../../scripts/tools/results/results-text.js";
import { ROOT, readPage } from "./pages.js";

describe("the results page", () => {
  test("measures with commands that the package has", () => {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
    for (const { command } of MEASUREMENTS)
      if (command[0] === "npm") assert.ok(command[3]! in scripts, `there is no npm script ${command[3]}`);
  });

  test("holds sections that the script writes, each with command, date and processor", () => {
    const page = readPage(RESULTS_PAGE);
    const sections = page.split("\n## ").slice(1);
    assert.ok(sections.length >= 5, `${sections.length} sections`);
    for (const section of sections) {
      const measurement = MEASUREMENTS.find(({ title }) => section.startsWith(`${title}\n`));
      assert.ok(measurement !== undefined, `no measurement is called ${section.split("\n")[0]}`);
      const line = section.split("\n").find((each) => each.startsWith(`\`${measurement.command[0]} `));
      assert.match(
        line ?? "",
        /^`[^`]+` · \d{4}-\d\d-\d\d · .+ cores, class CPU_\w+ · Node .+, onnxruntime .+$/,
      );
    }
  });

  test("shows box-drawn tables as Markdown and other lines as paragraphs", () => {
    const drawn = ["Before.", "┌───┬───┐", "│ a │ b │", "├───┼───┤", "│ 1 │   │", "└───┴───┘", "", "Behind."];
    assert.equal(markdownOf(drawn), "Before.\n\n| a | b |\n| --- | --- |\n| 1 |  |\n\nBehind.");
  });

  test("says where a machine was busy, of figures that it changes", () => {
    const text = (isTimed: boolean, load: number): string =>
      resultsText(
        [
          {
            measurement: { name: "a", title: "A", about: "About.", command: ["a"], mode: "quick", isTimed },
            output: "Skipped\nShown",
            date: "2026-12-01",
            load,
          },
        ],
        { processor: "P", versions: "V" },
      );
    assert.match(text(true, 8), /load 8/);
    assert.doesNotMatch(text(false, 8), /load/);
    assert.doesNotMatch(text(true, 0.2), /load/);
  });
});
