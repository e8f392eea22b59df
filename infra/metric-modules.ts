import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { BundledModule } from "../shared/metrics/module-bundle.js";
import { deployedPath } from "../shared/metrics/module-location.js";

/**
 * Writes metric modules (users' code that computes a metric) into a function's deployment folder, where the
 * function finds them by the hash of their code.
 */
export function placeMetricModules(modules: readonly BundledModule[], out: string): void {
  for (const { hash, code } of modules) {
    const file = join(out, deployedPath(hash));
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, code);
  }
}
