import { cpSync, existsSync, mkdirSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export type FunctionName = "coordinator" | "collector" | "evaluator";
/** As Node.js and the files of ONNX Runtime call it. */
export type NodeArchitecture = "arm64" | "x64";

const RUNTIME = "onnxruntime-node";
const RUNTIME_COMMON = "onnxruntime-common";

/** Where the build leaves the bundles: beside this module's folder. */
export function bundleFolder(name: FunctionName): string {
  const folder = fileURLToPath(new URL(`../bundles/${name}`, import.meta.url));
  if (!existsSync(folder)) {
    throw new Error(`There is no bundle of the ${name} at ${folder}; run \`npm run build\` first.`);
  }
  return folder;
}

/**
 * Puts together in `out` what Lambda is given for a function: its bundle, and for those that work with a model the files of ONNX
 * Runtime that one architecture needs (runtime-facts.md, "onnxruntime-node 1.30.0").
 */
export function assembleFunction(name: FunctionName, architecture: NodeArchitecture, out: string): void {
  rmSync(out, { recursive: true, force: true });
  cpSync(bundleFolder(name), out, { recursive: true });
  if (name === "coordinator") return;
  const require = createRequire(import.meta.url);
  const runtime = dirname(require.resolve(`${RUNTIME}/package.json`));
  // It exports its modules only, of which this is one: dist/cjs/index.js.
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
