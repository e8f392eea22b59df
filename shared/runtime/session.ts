import { statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { create } from "@bufbuild/protobuf";
import {
  TensorProto_DataLocation as DataLocation,
  StringStringEntryProtoSchema,
  type TensorProto,
} from "onnx-buf";
import { env, InferenceSession } from "onnxruntime-node";
import { ModelError } from "../basics/errors.js";
import { isUnknownDimension } from "../onnx/lift/unknown-dimensions.js";
import { encodeModel, type Model } from "../onnx/model/codec.js";
import { edited } from "../onnx/model/edited.js";
import { writeError } from "../storage/write-error.js";

/**
 * Size in bytes from which tensors are passed to ONNX Runtime beside the encoded model, so that they are not
 * encoded again.
 */
const EXTERNAL_TENSOR_BYTES = 4096;

/** Free bytes below which a failed write of a model is reported as a full disk. */
const FULL_DISK_BYTES = 65_536;

/**
 * ONNX Runtime's log level "fatal": other failures are thrown, and the caller reports them with place and
 * remedy.
 */
const LOG_FATAL = 4;

export type OptimizationLevel = "disabled" | "basic" | "extended" | "layout" | "all";

/** Session options that the model will be deployed with (`engine.session` of the configuration). */
export interface SessionSettings {
  readonly graphOptimizationLevel: OptimizationLevel;
  readonly intraOpNumThreads: number;
  /** ONNX Runtime's session configuration entries by key. */
  readonly extra?: Readonly<Record<string, string>> | undefined;
}

/** The version of ONNX Runtime in use; part of results and cache keys. */
export function onnxruntimeVersion(): string {
  return env.versions.node ?? env.versions.common;
}

/**
 * Settings of the ONNX Runtime sessions that gather statistics and score trials, unless the configuration has
 * others.
 */
export const DEFAULT_SESSION: SessionSettings = { graphOptimizationLevel: "all", intraOpNumThreads: 1 };

/**
 * Opens a session of a model's file.
 * @throws {ModelError} naming the file, when ONNX Runtime refuses it
 */
export async function openModelFile(path: string, settings: SessionSettings): Promise<InferenceSession> {
  return openSession(path, settings).catch((cause: unknown) => {
    if (!(cause instanceof ModelError) || !cause.message.startsWith("ONNX Runtime")) throw cause;
    const problem = cause.message.replace(/\.$/, "");
    throw new ModelError(`${path}: ${problem}; give an ONNX model that it can.`, { cause });
  });
}

/**
 * Opens a session on the CPU.
 * @param optimizedModelPath where ONNX Runtime writes its optimized graph
 * @throws {ModelError} when ONNX Runtime refuses the model
 */
export async function openSession(
  model: Model | Uint8Array | string,
  settings: SessionSettings,
  optimizedModelPath?: string,
): Promise<InferenceSession> {
  const options: InferenceSession.SessionOptions = {
    executionProviders: ["cpu"],
    graphOptimizationLevel: settings.graphOptimizationLevel,
    intraOpNumThreads: settings.intraOpNumThreads,
    interOpNumThreads: 1,
    logSeverityLevel: LOG_FATAL,
    ...(settings.extra === undefined ? {} : { extra: settings.extra }),
    ...(optimizedModelPath === undefined ? {} : { optimizedModelFilePath: optimizedModelPath }),
  };
  try {
    if (typeof model === "string") return await InferenceSession.create(model, options);
    if (model instanceof Uint8Array) return await InferenceSession.create(model, options);
    const { bytes, externalData } = encodeWithExternalData(model);
    return await InferenceSession.create(bytes, { ...options, externalData });
  } catch (cause) {
    if (optimizedModelPath !== undefined) await requireFreeSpace(optimizedModelPath);
    throw new ModelError(`ONNX Runtime cannot load the model: ${reasonOf(cause)}.`, { cause });
  }
}

/**
 * Detects a full disk after ONNX Runtime failed to write a model, as its own error only says that
 * serialization failed.
 * @throws {RunError} when the disk of `path` is full
 */
async function requireFreeSpace(path: string): Promise<void> {
  const { bavail, bsize } = await statfs(dirname(path));
  if (bavail * bsize < FULL_DISK_BYTES)
    throw writeError(path, Object.assign(new Error("the disk is full"), { code: "ENOSPC" }));
}

/**
 * An input or output of a model. Dynamic dimensions are names; a dimension is "" when its size is unknown and
 * equal to no other.
 */
export interface PortInfo {
  readonly name: string;
  readonly type: string;
  readonly shape: readonly (number | string)[];
}

export function portsOf(session: InferenceSession): {
  readonly inputs: readonly PortInfo[];
  readonly outputs: readonly PortInfo[];
} {
  return { inputs: session.inputMetadata.map(portInfo), outputs: session.outputMetadata.map(portInfo) };
}

function portInfo(metadata: InferenceSession.ValueMetadata): PortInfo {
  const { name } = metadata;
  return metadata.isTensor
    ? { name, type: metadata.type, shape: metadata.shape.map(knownDimension) }
    : { name, type: "not a tensor", shape: [] };
}

function knownDimension(dimension: number | string): number | string {
  return typeof dimension === "string" && isUnknownDimension(dimension) ? "" : dimension;
}

/** ONNX Runtime's reason for a failure as a part of a sentence, without the locations in its source code. */
function reasonOf(error: unknown): string {
  const [line = ""] = (error instanceof Error ? error.message : String(error)).split("\n", 1);
  const future = /Opset (\d+) is under development.* is till opset (\d+)/.exec(line);
  if (future !== null) return `it uses operator set ${future[1]}, and sets up to ${future[2]} are known`;
  const sentences = line
    .replace(/^Load model from .* failed: ?/, "")
    .replace(/^.* was false\. (?:\[ONNXRuntimeError\] : \d+ : \w+ : )?/, "")
    .replace(/^\S+\.(?:cc|h):\d+ (?:.*\) (?=[A-Z])|\w+ )/, "")
    .replace(/^(?:This is an )?invalid model\. /i, "")
    .replace(/^(?:Fatal error|Error): /, "");
  return sentences.replace(/\.(?: [A-Z].*)?$/, "");
}

/**
 * Encodes the graph with its small tensors, and returns large tensors separately as views. The model is
 * unchanged.
 */
function encodeWithExternalData(model: Model): {
  bytes: Uint8Array;
  externalData: { path: string; data: Uint8Array }[];
} {
  const externalData: { path: string; data: Uint8Array }[] = [];
  const initializer = model.graph.initializer.map((tensor): TensorProto => {
    if (tensor.rawData.byteLength < EXTERNAL_TENSOR_BYTES) return tensor;
    const path = `initializer-${externalData.length}`;
    externalData.push({ path, data: tensor.rawData });
    return edited(tensor, {
      rawData: new Uint8Array(0),
      dataLocation: DataLocation.EXTERNAL,
      externalData: [
        create(StringStringEntryProtoSchema, { key: "location", value: path }),
        create(StringStringEntryProtoSchema, { key: "offset", value: "0" }),
        create(StringStringEntryProtoSchema, { key: "length", value: String(tensor.rawData.byteLength) }),
      ],
    });
  });
  return { bytes: encodeModel(edited(model, { graph: edited(model.graph, { initializer }) })), externalData };
}
