import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { ConfigurationError } from "../../errors.js";

/**
 * Finds the code of a configured metric module. Code is only ever taken from where its user put it: from a path of
 * their own configuration, or from what they deployed; never from what a run's records or messages carry.
 */
export type LocateModule = (module: string) => string;

const PATH = "engine.metric.module";
/** How the configuration of a run on a fleet names a module: by the hash of its file, and as its user called it. */
const REFERENCE = /^metrics\/([0-9a-f]{64})\/([^/\\]+)$/;

/** @throws ConfigurationError when the file cannot be read */
export function moduleReference(file: string): string {
  return `metrics/${hashOf(file)}/${basename(file)}`;
}

/** Where a deployed function has a module, below the folder of its bundle. */
export function deployedPath(file: string): string {
  return join("metrics", hashOf(file), "module.mjs");
}

/** Modules that were bundled with the function that lies in `folder`. */
export function deployedModules(folder: string): LocateModule {
  return (module) => {
    const [, hash, name] = REFERENCE.exec(module) ?? [];
    const file = join(folder, "metrics", hash ?? "", "module.mjs");
    if (hash !== undefined && existsSync(file)) return file;
    throw new ConfigurationError(
      `${PATH} (${name ?? module}) is not deployed with this fleet; add the file to metricModules of the construct, and deploy.`,
      PATH,
    );
  };
}

/** The user's own copy of the module that a run on a fleet is scored with. */
export function ownCopy(file: string | undefined): LocateModule {
  return (module) => {
    const name = basename(module);
    if (file === undefined)
      throw new ConfigurationError(
        `The run is scored by a metric module, ${name}, whose code is not taken from the fleet; name your own copy by --metric-module.`,
        PATH,
      );
    if (REFERENCE.exec(module)?.[1] === hashOf(file)) return file;
    throw new ConfigurationError(
      `${file} is not the metric module that the run is scored with, ${name}; name the file as it was deployed.`,
      PATH,
    );
  };
}

function hashOf(file: string): string {
  try {
    return createHash("sha256").update(readFileSync(file)).digest("hex");
  } catch (error) {
    throw new ConfigurationError(
      `${PATH} is ${JSON.stringify(file)}, which cannot be read; give the path of a JavaScript module.`,
      PATH,
      { cause: error },
    );
  }
}
