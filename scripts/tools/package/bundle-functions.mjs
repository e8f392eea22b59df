/**
 * Bundles the functions for Lambda (part of `npm run build`): `node scripts/tools/package/bundle-functions.mjs [folder]`,
 * where the folder holds the compiled sources, `dist` when left out. They go to `bundles/` in it, without what is
 * native, which the construct adds for the architecture that is wanted.
 */
import { rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { build } from "esbuild";

const ROOT = path.resolve(process.argv[2] ?? "dist");

const FUNCTIONS = {
  coordinator: ["index"],
  collector: ["index", "thread"],
  evaluator: ["index", "thread"],
};

/** Lambda's Node; the tests' oldest one runs the same bundles. */
const TARGET = "node20";

/** Some packages within are CommonJS, whose `require` has to come from somewhere. */
const BANNER =
  'import { createRequire as makeRequire } from "node:module"; const require = makeRequire(import.meta.url);';

for (const [name, entries] of Object.entries(FUNCTIONS)) {
  const outdir = path.join(ROOT, "bundles", name);
  rmSync(outdir, { recursive: true, force: true });
  // Each by itself: what a function and its thread share would be in files of its own, and each file takes its time.
  for (const entry of entries) {
    await build({
      entryPoints: [path.join(ROOT, "functions", name, `${entry}.js`)],
      outdir,
      bundle: true,
      // What is imported when it is needed, such as other ways to credentials than a function's, is not read at the start.
      // A thread needs nothing of the kind; in one file, its modules are evaluated in the order in which they are imported.
      splitting: entry !== "thread",
      chunkNames: "chunks/[name]-[hash]",
      // Names of classes and functions are lost: to keep them takes a call for each of thousands at the start.
      minify: true,
      platform: "node",
      format: "esm",
      target: TARGET,
      // The packages' ES modules, of which unused parts are left out.
      mainFields: ["module", "main"],
      banner: { js: BANNER },
      // Native: one comes with the construct, the other decodes images, which functions are not given.
      external: ["onnxruntime-node", "sharp"],
      legalComments: "none",
      logLevel: "warning",
    });
  }
  writeFileSync(path.join(outdir, "package.json"), '{ "type": "module" }\n');
}
