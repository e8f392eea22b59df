import { cpSync, existsSync, mkdirSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export type FunctionName = "coordinator" | "collector" | "evaluator";
/** A processor architecture as named by Node.js and in the files of ONNX Runtime. */
export type NodeArchitecture = "arm64" | "x64";

const RUNTIME = "onnxruntime-node";
const RUNTIME_COMMON = "onnxruntime-common";

/** Returns the folder of a function's bundle, which the build puts beside this module's folder. */
export function bundleFolder(name: FunctionName): string {
  const folder = fileURLToPath(new URL(`../bundles/${name}`, import.meta.url));
  if (!existsSync(folder)) {
    throw new Error(`There is no bundle of the ${name} at ${folder}; run \`npm run build\` first.`);
  }
  return folder;
}

/**
 * Assembles the deployment package of a function in `out`: its bundle, and for workers the files of ONNX
 * Runtime for one architecture.
 */
export function assembleFunction(name: FunctionName, architecture: NodeArchitecture, out: string): void {
  rmSync(out, { recursive: true, force: true });
  cpSync(bundleFolder(name), out, { recursive: true });
  if (name === "coordinator") return;
  const require = createRequire(import.meta.url);
  const runtime = dirname(require.resolve(`${RUNTIME}/package.json`));
  // Resolved through its main module dist/cjs/index.js, because the package does not export its package.json.
  const common = join(createRequire(join(runtime, "package.json")).resolve(RUNTIME_COMMON), "../../..");
  const binaries = join("bin", "napi-v6", "linux", architecture);
  for (const [from, name, parts] of [
    [runtime, RUNTIME, ["package.json", "dist", binaries]],
    [common, RUNTIME_COMMON, ["package.json", "dist/cjs"]],
  ] as const) {
    for (const part of parts) {
      const target = join(out, "node_modules", name, part);
      mkdirSync(dirname(target), { recursive: true });
      cpSync(join(from, part), target, { recursive: true, filter: (file) => !/\.(map|d\.ts)$/.test(file) });
    }
  }
}
