import { existsSync } from "node:fs";
import { join } from "node:path";
import { ConfigurationError } from "../basics/errors.js";

/**
 * Finds the code of a configured metric module. Code is only ever taken from where its user put it: from a path of
 * their own configuration, or from what they deployed; never from what a run's records or messages carry.
 */
export type LocateModule = (module: string) => string;

export const MODULE_PATH = "engine.metric.module";
/** How the configuration of a run on a fleet names a module: by its bundle's hash, and as its user called it. */
const REFERENCE = /^metrics\/([0-9a-f]{64})\/([^/\\]+)$/;

export function moduleReference(hash: string, name: string): string {
  return `metrics/${hash}/${name}`;
}

/** The hash in a reference; `undefined` where it is none. */
export function referencedHash(module: string): string | undefined {
  return REFERENCE.exec(module)?.[1];
}

/** A stack's output is short, and functions look for the whole hash. */
const LISTED_DIGITS = 12;
/** An output must not be empty. */
const NO_MODULES = "none";

/** The modules that a fleet was deployed with, as its stack's output tells them. */
export function listOfModules(hashes: readonly string[]): string {
  return hashes.map((hash) => hash.slice(0, LISTED_DIGITS)).join(",") || NO_MODULES;
}

/** @throws ConfigurationError when a reference is to none of the modules that a fleet was deployed with */
export function requireListed(reference: string, list: string): void {
  const [, hash = "", name = reference] = REFERENCE.exec(reference) ?? [];
  if (!list.split(",").includes(hash.slice(0, LISTED_DIGITS))) throw notDeployed(name);
}

/** Where a deployed function has a module, below the folder of its bundle. */
export function deployedPath(hash: string): string {
  return join("metrics", hash, "module.mjs");
}

/** Modules that were bundled with the function that lies in `folder`. */
export function deployedModules(folder: string): LocateModule {
  return (module) => {
    const [, hash, name] = REFERENCE.exec(module) ?? [];
    const file = join(folder, deployedPath(hash ?? ""));
    if (hash !== undefined && existsSync(file)) return file;
    throw notDeployed(name ?? module);
  };
}

function notDeployed(name: string): ConfigurationError {
  return new ConfigurationError(
    `${MODULE_PATH} (${name}) is not deployed with this fleet; add the file to metricModules of the construct, and deploy, again where it or what it imports has changed.`,
    MODULE_PATH,
  );
}
