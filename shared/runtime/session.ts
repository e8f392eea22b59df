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

/** Tensors from this size on are handed to ONNX Runtime beside the message, so that they are never encoded again. */
const BESIDE_MESSAGE_BYTES = 4096;

/** On a disk with less than this, a model that could not be written is taken to have found it full. */
const ROOM_BYTES = 65_536;

/** Fatal errors only: what else goes wrong is thrown, and told by whoever knows the place and the remedy. */
const LOG_FATAL = 4;

export type OptimizationLevel = "disabled" | "basic" | "extended" | "layout" | "all";

/** The session options that a model is deployed with (interface.md, `engine.session`). */
export interface SessionSettings {
  readonly graphOptimizationLevel: OptimizationLevel;
  readonly intraOpNumThreads: number;
  /** ONNX Runtime's session configuration entries, by their keys. */
  readonly extra?: Readonly<Record<string, string>> | undefined;
}

/** The version of ONNX Runtime that computes everything; part of results and cache keys. */
export function onnxruntimeVersion(): string {
  return env.versions.node ?? env.versions.common;
}

/** How statistics and scores are computed unless the user says otherwise. */
export const DEFAULT_SESSION: SessionSettings = { graphOptimizationLevel: "all", intraOpNumThreads: 1 };

/**
 * Opens a session.
 * @param optimizedModelPath where ONNX Runtime writes the graph it really executes
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
    const { bytes, externalData } = encodeBeside(model);
    return await InferenceSession.create(bytes, { ...options, externalData });
  } catch (cause) {
    if (optimizedModelPath !== undefined) await requireRoom(optimizedModelPath);
    throw new ModelError(`ONNX Runtime cannot load the model: ${reasonOf(cause)}.`, { cause });
  }
}

/**
 * Of a model that ONNX Runtime could not write, it says only that serialization failed.
 * @throws {RunError} when the disk is full that it was to be written to
 */
async function requireRoom(path: string): Promise<void> {
  const { bavail, bsize } = await statfs(dirname(path));
  if (bavail * bsize < ROOM_BYTES)
    throw writeError(path, Object.assign(new Error("the disk is full"), { code: "ENOSPC" }));
}

/** An input or output of a model; dynamic dimensions are names, empty where two of that name may differ. */
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

/** ONNX Runtime's reason, without the places in its own source that it comes from, as the rest of one sentence. */
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

/** Encodes the graph and small tensors alone; big ones go beside it as views. The model is left as it was. */
function encodeBeside(model: Model): {
  bytes: Uint8Array;
  externalData: { path: string; data: Uint8Array }[];
} {
  const externalData: { path: string; data: Uint8Array }[] = [];
  const initializer = model.graph.initializer.map((tensor): TensorProto => {
    if (tensor.rawData.byteLength < BESIDE_MESSAGE_BYTES) return tensor;
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
