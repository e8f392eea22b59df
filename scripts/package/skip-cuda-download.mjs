/**
 * Keeps onnxruntime-node's postinstall script from downloading CUDA, which quantfleet never uses, from a
 * host outside the package registry, so that an installation does not fail where only the registry is reached.
 *
 * The protocol: that script exits early if every file that it would fetch exists. npm runs the preinstall
 * scripts of all packages, after unpacking them all, before the first postinstall script, so placeholders
 * written by quantfleet's own preinstall script are there in time. (A setting in the environment or in
 * .npmrc would do as well, but a package cannot set either for its users. In a checkout, where npm runs the
 * project's preinstall script last, the lock file does it: see portable-lock.mjs.)
 *
 * Whoever wants CUDA gets it: with ONNXRUNTIME_NODE_INSTALL=cuda12 that script does not look for existing
 * files, and its download replaces the placeholders.
 */
import { existsSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const require = createRequire(import.meta.url);

const PLACEHOLDER =
  "Left out of this installation by quantfleet. To download it, reinstall with ONNXRUNTIME_NODE_INSTALL=cuda12.\n";

/** The folder of the installed onnxruntime-node, or undefined where dependencies are not there yet. */
function runtimeFolder() {
  try {
    return path.dirname(require.resolve("onnxruntime-node/package.json"));
  } catch {
    return undefined;
  }
}

const folder = runtimeFolder();
if (folder !== undefined) {
  const platform = `${process.platform}/${process.arch}`;
  const { requirements, manifests } = require(path.join(folder, "script/install-metadata.js"));
  for (const requirement of requirements[platform] ?? []) {
    for (const file of Object.keys(manifests[`${platform}:${requirement}`])) {
      const target = path.join(folder, "bin/napi-v6", platform, file);
      if (!existsSync(target)) writeFileSync(target, PLACEHOLDER);
    }
  }
}
