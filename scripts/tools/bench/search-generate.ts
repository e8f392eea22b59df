import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { generateProblem, type ProblemShape } from "./search/generate.js";

/**
 * usage: node dist/scripts/tools/bench/search-generate.js FOLDER
 *
 * Writes ten generated search problems, to check the search's settings on problems other than those that they were
 * chosen on.
 */
const PROBLEMS: readonly (readonly [string, number, Partial<ProblemShape>])[] = [
  ["g-flat-30x5", 101, { layers: 30, choices: 5 }],
  ["g-flat-80x3", 102, { layers: 80, choices: 3, tail: 1.4 }],
  ["g-flat-60x8", 103, { layers: 60, choices: 8, tail: 1, pairStrength: 0.3 }],
  ["g-flat-100x2", 104, { layers: 100, choices: 2 }],
  ["g-cond-25", 105, { structure: "conditional", layers: 25 }],
  ["g-cond-60", 106, { structure: "conditional", layers: 60, tail: 1 }],
  ["g-ordered-40x5", 107, { layers: 40, choices: 5, ordered: true }],
  ["g-noisy-40x4", 108, { layers: 40, choices: 4, noise: 0.03 }],
  ["g-pairs-40x4", 109, { layers: 40, choices: 4, pairsPerLayer: 3, pairStrength: 0.6 }],
  ["g-flat-150x4", 110, { layers: 150, choices: 4 }],
];

const folder = process.argv[2];
if (folder === undefined) {
  throw new Error("name the folder that the problems go to.");
}
mkdirSync(folder, { recursive: true });
for (const [name, seed, shape] of PROBLEMS) {
  writeFileSync(join(folder, `${name}.json`), JSON.stringify(generateProblem(name, seed, shape)));
}
