/**
 * Keeps onnxruntime-node's postinstall script from downloading CUDA, which quantfleet never uses, from a host
 * outside the package registry, so that an installation does not fail where only the registry is reached.
 *
 * The protocol: that script exits early if every file that it would fetch exists. npm runs the preinstall scripts
 * of all packages, after unpacking them all, before the first postinstall script, so placeholders written by
 * quantfleet's own preinstall script are there in time. (A setting in the environment or in .npmrc would do as
 * well, but a package cannot set either for its users. In a checkout, where npm runs the project's preinstall
 * script last, the lock file does it: see portable-lock.mjs.)
 *
 * Where the user has set what that script shall do (ONNXRUNTIME_NODE_INSTALL=cuda12, say), nothing is written: the
 * script exits early for existing files even then (onnxruntime-node 1.30.0), so a placeholder would keep CUDA out.
 */
import { existsSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const require = createRequire(import.meta.url);

/** Names of the settings in which onnxruntime-node's install script reads what the user wants of it. */
const USER_SETTINGS = [
  "ONNXRUNTIME_NODE_INSTALL",
  "ONNXRUNTIME_NODE_INSTALL_CUDA",
  "npm_config_onnxruntime_node_install",
  "npm_config_onnxruntime_node_install_cuda",
];

const PLACEHOLDER =
  "Left out by quantfleet. To download it, remove node_modules and install with ONNXRUNTIME_NODE_INSTALL=cuda12.\n";

/** The folder of the installed onnxruntime-node, or undefined where dependencies are not there yet. */
function runtimeFolder() {
  try {
    return path.dirname(require.resolve("onnxruntime-node/package.json"));
  } catch {
    return undefined;
  }
}

const folder = runtimeFolder();
const userDecides = USER_SETTINGS.some((name) => process.env[name]);
if (folder !== undefined && !userDecides) {
  const platform = `${process.platform}/${process.arch}`;
  const { requirements, manifests } = require(path.join(folder, "script/install-metadata.js"));
  for (const requirement of requirements[platform] ?? []) {
    for (const file of Object.keys(manifests[`${platform}:${requirement}`])) {
      const target = path.join(folder, "bin/napi-v6", platform, file);
      if (!existsSync(target)) writeFileSync(target, PLACEHOLDER);
    }
  }
}
