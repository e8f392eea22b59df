import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import { basename, dirname, resolve } from "node:path";
import { ConfigurationError } from "../basics/errors.js";
import { type LocateModule, MODULE_PATH, moduleReference, referencedHash } from "./module-location.js";

/** What of esbuild is used; it is installed by whoever deploys metric modules. */
interface Esbuild {
  buildSync(options: Readonly<Record<string, unknown>>): {
    readonly outputFiles: readonly { readonly contents: Uint8Array }[];
  };
}

/** Lambda's Node, and the tests' oldest one. */
const TARGET = "node20";

/** A metric module with all that it imports, in one file. */
export interface BundledModule {
  readonly hash: string;
  readonly code: Uint8Array;
}

/**
 * Bundles a metric module. The hash is of the bundle, so that it changes with the module and with whatever of its
 * imports it uses, and with the version of esbuild.
 *
 * @throws ConfigurationError when the file, or what it imports, cannot be bundled, or esbuild is not installed
 */
export function bundleModule(file: string): BundledModule {
  const { buildSync } = loadEsbuild(file);
  try {
    const { outputFiles } = buildSync({
      entryPoints: [resolve(file)],
      // What is named in the bundle is named from here, wherever the command is called.
      absWorkingDir: dirname(resolve(file)),
      write: false,
      bundle: true,
      platform: "node",
      format: "esm",
      target: TARGET,
      // Comments name files.
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

/** How the configuration of a run on a fleet names a module. */
export function referenceTo(file: string): string {
  return moduleReference(bundleModule(file).hash, basename(file));
}

/** The user's own copy of the module that a run on a fleet is scored with. */
export function ownCopy(file: string | undefined): LocateModule {
  return (module) => {
    const name = basename(module);
    if (file === undefined)
      throw new ConfigurationError(
        `The run is scored by a metric module, ${name}, whose code is not taken from the fleet; name your own copy by --metric-module.`,
        MODULE_PATH,
      );
    if (referencedHash(module) === bundleModule(file).hash) return file;
    throw new ConfigurationError(
      `${file} is not the metric module that the run is scored with, ${name}; name the file as it was deployed, with what it imports.`,
      MODULE_PATH,
    );
  };
}

function loadEsbuild(file: string): Esbuild {
  try {
    return createRequire(import.meta.url)("esbuild") as Esbuild;
  } catch (error) {
    throw new ConfigurationError(
      `${MODULE_PATH} is ${JSON.stringify(file)}, which a fleet knows bundled with esbuild, and that is not there; install it (npm install -D esbuild).`,
      MODULE_PATH,
      { cause: error },
    );
  }
}
