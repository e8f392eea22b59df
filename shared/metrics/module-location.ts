import { existsSync } from "node:fs";
import { join } from "node:path";
import { ConfigurationError } from "../basics/errors.js";

/**
 * Returns the file of a configured metric module. Code is loaded only from a path in the user's own
 * configuration or from what the user deployed, never from a run's records or messages.
 */
export type LocateModule = (module: string) => string;

export const MODULE_PATH = "engine.metric.module";
/**
 * Form of a module in the configuration of a run on a fleet: the hash of its bundle, and the user's file
 * name.
 */
const REFERENCE = /^metrics\/([0-9a-f]{64})\/([^/\\]+)$/;

export function moduleReference(hash: string, name: string): string {
  return `metrics/${hash}/${name}`;
}

/** The bundle's hash in the reference to a metric module; `undefined` when the text is not a reference. */
export function referencedHash(module: string): string | undefined {
  return REFERENCE.exec(module)?.[1];
}

/**
 * Hexadecimal digits of each module's hash in the stack's output, whose length is limited; functions compare whole
 * hashes.
 */
const LISTED_DIGITS = 12;
/** Value of the stack output when no metric modules are deployed, as a stack output must not be empty. */
const NO_MODULES = "none";

/** Value of the stack output that lists the metric modules deployed with a fleet. */
export function listOfModules(hashes: readonly string[]): string {
  return hashes.map((hash) => hash.slice(0, LISTED_DIGITS)).join(",") || NO_MODULES;
}

/**
 * Checks that a metric module is among those that a fleet was deployed with.
 *
 * @throws {ConfigurationError} when it is not
 */
export function requireListed(reference: string, list: string): void {
  const [, hash = "", name = reference] = REFERENCE.exec(reference) ?? [];
  if (!list.split(",").includes(hash.slice(0, LISTED_DIGITS))) throw notDeployed(name);
}

/** Path of a module in a deployed function, relative to the folder of the function's bundle. */
export function deployedPath(hash: string): string {
  return join("metrics", hash, "module.mjs");
}

/** Locates metric modules that were bundled with the function in `folder`. */
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
