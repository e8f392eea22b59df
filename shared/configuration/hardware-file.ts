import { readFile, stat } from "node:fs/promises";
import { ConfigurationError } from "../basics/errors.js";
import { forProcessor, isDeviceName, type TargetDevice } from "../quantization/device/hardware.js";
import { type HardwareDocument, hardwareSchema } from "../quantization/device/hardware-schema.js";
import type { ProcessorClass } from "../runtime/processor-class.js";
import { parseJsonWithComments } from "../validation/jsonc.js";
import { firstProblem } from "../validation/problem.js";
import { HARDWARE_FILE, notADevice } from "./compression-schema.js";
import { type LoadedConfiguration, resolvePath } from "./parse.js";
import type { RunConfiguration } from "./schema.js";

const LARGEST_BYTES = 1024 * 1024;

/**
 * Replaces the path of a hardware file by the file's content, so that the configuration alone determines what
 * it does on every machine, and its hash changes with the device.
 *
 * @throws {ConfigurationError} naming the file and what is wrong in it
 */
export async function withHardwareFile(loaded: LoadedConfiguration): Promise<LoadedConfiguration> {
  const { configuration } = loaded;
  const { target_device } = configuration.compression;
  if (typeof target_device !== "string" || isDeviceName(target_device)) return loaded;
  const document = await readHardwareFile(resolvePath(loaded.directory, target_device));
  return {
    ...loaded,
    configuration: {
      ...configuration,
      compression: { ...configuration.compression, target_device: document },
    },
  };
}

/**
 * The configuration with the target device made explicit for a processor class: CPU, and a hardware file that
 * names no class, become that class. The configuration alone then determines a run, wherever it is carried
 * out.
 */
export function withProcessor<C extends RunConfiguration>(configuration: C, processor: ProcessorClass): C {
  const { target_device } = configuration.compression;
  if (typeof target_device === "string" && !isDeviceName(target_device)) return configuration;
  const compression = { ...configuration.compression, target_device: forProcessor(target_device, processor) };
  return { ...configuration, compression };
}

/**
 * Reads a target device that was given by name or by file.
 * @param device the name of a device, or the path of a hardware file
 * @throws {ConfigurationError} when there is no such device, or the file is invalid
 */
export async function readTargetDevice(device: string): Promise<TargetDevice> {
  if (isDeviceName(device)) return device;
  if (HARDWARE_FILE.test(device)) return readHardwareFile(device);
  const problem = notADevice(device).replace(/[^?]$/, "$&.");
  throw new ConfigurationError(`The target device ${problem}`, "compression.target_device");
}

async function readHardwareFile(file: string): Promise<HardwareDocument> {
  const unreadable = (reason: string): never => {
    throw new ConfigurationError(
      `The hardware file ${file} ${reason}; give the path of one, relative to the configuration, or the name of a device.`,
      "compression.target_device",
    );
  };
  const cannotBeRead = (error: NodeJS.ErrnoException) => unreadable(`cannot be read (${error.code})`);
  const found = await stat(file).catch(cannotBeRead);
  if (!found.isFile()) unreadable("is not a file");
  if (found.size > LARGEST_BYTES)
    unreadable(`has ${found.size} bytes, more than the ${LARGEST_BYTES} allowed`);
  const value = parseJsonWithComments(await readFile(file, "utf8").catch(cannotBeRead), file);
  const parsed = hardwareSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const { path, message } = firstProblem(parsed.error.issues);
  const place = path === "the configuration" ? `The hardware file ${file}` : `${path} in ${file}`;
  throw new ConfigurationError(`${place} ${message}.`.replace(/\?\.$/, "?"), path);
}
