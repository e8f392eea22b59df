import { createRequire } from "node:module";
import { join } from "node:path";
import { deployedPath } from "../shared/scoring/metrics/module-location.js";

/** What of esbuild is used; it is installed by whoever deploys metric modules. */
interface Esbuild {
  buildSync(options: Readonly<Record<string, unknown>>): unknown;
}

/** Lambda's Node, and the tests' oldest one. */
const TARGET = "node20";

/** Bundles metric modules, each with all that it imports, into a function's folder, where it looks for them by hash. */
export function bundleMetricModules(files: readonly string[], out: string): void {
  if (files.length === 0) return;
  const { buildSync } = loadEsbuild();
  for (const file of files)
    buildSync({
      entryPoints: [file],
      outfile: join(out, deployedPath(file)),
      bundle: true,
      platform: "node",
      format: "esm",
      target: TARGET,
      logLevel: "warning",
    });
}

function loadEsbuild(): Esbuild {
  try {
    return createRequire(import.meta.url)("esbuild") as Esbuild;
  } catch (error) {
    throw new Error(
      "metricModules are bundled with esbuild, which is not there; install it (npm install -D esbuild).",
      {
        cause: error,
      },
    );
  }
}
