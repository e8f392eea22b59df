import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { BundledModule } from "../shared/metrics/module-bundle.js";
import { deployedPath } from "../shared/metrics/module-location.js";

/** Writes metric modules into a function's folder, where the function finds them by hash. */
export function placeMetricModules(modules: readonly BundledModule[], out: string): void {
  for (const { hash, code } of modules) {
    const file = join(out, deployedPath(hash));
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, code);
  }
}
