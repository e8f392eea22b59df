/**
 * Bundles the functions for Lambda (part of `npm run build`): `node scripts/tools/package/bundle-functions.mjs
 * [folder]`, where the folder holds the compiled sources, `dist` when left out. They go to `bundles/` in it,
 * without what is native, which the construct adds for the architecture that is wanted.
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

/** Oldest version of Node that the bundles run on: the tests' oldest; Lambda's is newer. */
const TARGET = "node20";

/** Start of each bundle: some of the bundled packages are CommonJS, and ES modules have no `require`. */
const BANNER =
  'import { createRequire as makeRequire } from "node:module"; const require = makeRequire(import.meta.url);';

for (const [name, entries] of Object.entries(FUNCTIONS)) {
  const outdir = path.join(ROOT, "bundles", name);
  rmSync(outdir, { recursive: true, force: true });
  // Each entry is bundled by itself: code shared by a function and its thread would be in further files, and reading
  // each file takes time.
  for (const entry of entries) {
    await build({
      entryPoints: [path.join(ROOT, "functions", name, `${entry}.js`)],
      outdir,
      bundle: true,
      // With splitting, code that is imported on demand (such as ways to credentials that a function does not use) is
      // not read at the start. A thread has no such code; in one file, its modules are evaluated in the order in which
      // they are imported.
      splitting: entry !== "thread",
      chunkNames: "chunks/[name]-[hash]",
      // Minifying loses the names of classes and functions: keeping them takes thousands of calls at the start.
      minify: true,
      platform: "node",
      format: "esm",
      target: TARGET,
      // The packages' ES modules are bundled, of which unused parts are left out.
      mainFields: ["module", "main"],
      banner: { js: BANNER },
      // Native packages: onnxruntime-node comes with the construct; sharp decodes images, which functions never get.
      external: ["onnxruntime-node", "sharp"],
      legalComments: "none",
      logLevel: "warning",
    });
  }
  writeFileSync(path.join(outdir, "package.json"), '{ "type": "module" }\n');
}
