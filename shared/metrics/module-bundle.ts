import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import { basename, dirname, resolve } from "node:path";
import { ConfigurationError } from "../basics/errors.js";
import { type LocateModule, MODULE_PATH, moduleReference, referencedHash } from "./module-location.js";

/** The used part of esbuild's API; esbuild is installed by those who deploy metric modules. */
interface Esbuild {
  buildSync(options: Readonly<Record<string, unknown>>): {
    readonly outputFiles: readonly { readonly contents: Uint8Array }[];
  };
}

/** Oldest version of Node that runs the bundle, on Lambda or elsewhere. */
const TARGET = "node20";

/** A metric module and everything that it imports, in one file, with its SHA-256. */
export interface BundledModule {
  readonly hash: string;
  readonly code: Uint8Array;
}

/**
 * Bundles a metric module. The hash is of the bundle, so it changes with the module, with the code that it
 * imports and with the version of esbuild.
 *
 * @throws {ConfigurationError} when the file or an import cannot be bundled, or esbuild is not installed
 */
export function bundleModule(file: string): BundledModule {
  const { buildSync } = loadEsbuild(file);
  try {
    const { outputFiles } = buildSync({
      entryPoints: [resolve(file)],
      // Names in the bundle are relative to this folder, so the hash does not depend on the working
      // directory.
      absWorkingDir: dirname(resolve(file)),
      write: false,
      bundle: true,
      platform: "node",
      format: "esm",
      target: TARGET,
      // esbuild's comments contain file names, so they are removed.
      minifyWhitespace: true,
      legalComments: "none",
      logLevel: "silent",
    });
    const code = outputFiles[0]!.contents;
    return { hash: createHash("sha256").update(code).digest("hex"), code };
  } catch (error) {
    const [problem = String(error)] = (error as { errors?: { text: string }[] }).errors?.map(
      ({ text }) => text,
    ) ?? [(error as Error).message];
    throw new ConfigurationError(
      `${MODULE_PATH} is ${JSON.stringify(file)}, which cannot be bundled (${problem}); give the path of a JavaScript module whose imports can be found.`,
      MODULE_PATH,
      { cause: error },
    );
  }
}

/** The text that names a metric module in the configuration of a run on a fleet: its bundle's hash and file name. */
export function moduleReferenceOf(file: string): string {
  return moduleReference(bundleModule(file).hash, basename(file));
}

/**
 * Locates the user's local copy of the metric module that a run on a fleet is scored with, and checks its
 * hash.
 */
export function localCopy(file: string | undefined): LocateModule {
  return (module) => {
    const name = basename(module);
    if (file === undefined)
      throw new ConfigurationError(
        `The run is scored by a metric module, ${name}, whose code is not taken from the fleet; name your own copy by --metric-module.`,
        MODULE_PATH,
      );
    if (referencedHash(module) === bundleModule(file).hash) return file;
    throw new ConfigurationError(
      `${file} is not the metric module that the run is scored with, ${name}; give --metric-module the version that was deployed, with the files that it imports unchanged.`,
      MODULE_PATH,
    );
  };
}

function loadEsbuild(file: string): Esbuild {
  try {
    return createRequire(import.meta.url)("esbuild") as Esbuild;
  } catch (error) {
    throw new ConfigurationError(
      `${MODULE_PATH} is ${JSON.stringify(file)}, which must be bundled with esbuild for a fleet, but esbuild is not installed; install it (npm install -D esbuild).`,
      MODULE_PATH,
      { cause: error },
    );
  }
}
