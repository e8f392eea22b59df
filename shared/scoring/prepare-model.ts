import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { ValueInfoProtoSchema } from "onnx-buf";
import { ModelError } from "../errors.js";
import { nestedGraphs } from "../onnx/attributes.js";
import { decodeModel, type Model } from "../onnx/codec.js";
import { makeInitializersConstant } from "../onnx/constant-inputs.js";
import { edited } from "../onnx/edited.js";
import { loadExternalData } from "../onnx/external-data.js";
import { normalizeGemms } from "../onnx/gemm.js";
import { restoreBodies } from "../onnx/nested-bodies.js";
import { restoreNodeNames } from "../onnx/node-names.js";
import { type LiftTarget, liftOpset } from "../onnx/opset.js";
import { refuseHalfPrecision, refuseNonFiniteWeights, refuseQuantized } from "../onnx/refusals.js";
import type { TensorInfo } from "../quantization/quantizable-ops.js";
import { inTemporaryFolder } from "../storage/temporary-folder.js";
import { openSession, type PortInfo, portsOf } from "./session.js";

/** A larger file cannot be one protobuf message. */
const MAX_FILE_BYTES = 2 ** 31 - 1;

/** A float model made ready for quantizing: constants and batch norms folded, tensor types known. */
export interface PreparedModel {
  readonly model: Model;
  /** Of the model as it was given: folding leaves some out. */
  readonly nodeNames: ReadonlySet<string>;
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly inputs: readonly PortInfo[];
  readonly outputs: readonly PortInfo[];
  /** SHA-256 of the model file, and of its external data where there are any. */
  readonly sha256: string;
  /** The algorithms that have rewritten the float model since, each with what it followed from. */
  readonly rewritings: readonly string[];
  /** Size of the model file and its external data. */
  readonly bytes: number;
  /** Whether the tensors came from external files; the quantized model's go there too. */
  readonly external: boolean;
}

/**
 * Reads and prepares the model at `path` (system.md, "A run", step 1).
 *
 * @param opset that QuantizeLinear and DequantizeLinear need for the codes that may be chosen; 8-bit codes need 13
 * @throws {ModelError} when it is no float ONNX model that ONNX Runtime loads
 */
export async function prepareModelFile(path: string, opset: LiftTarget = 13): Promise<PreparedModel> {
  return prepareModel(await readModelFile(path), path, opset);
}

/** Prepares a model of the bytes in the file at `path`; its external data lie beside it. */
export async function prepareModel(
  bytes: Uint8Array,
  path: string,
  opset: LiftTarget,
): Promise<PreparedModel> {
  const model = decodeModel(bytes, path);
  refuseQuantized(model, path);
  refuseHalfPrecision(model, path);
  const hash = createHash("sha256").update(bytes);
  const externalContents = await loadExternalData(model, dirname(path));
  for (const content of externalContents) hash.update(content);
  liftOpset(model, opset, path);
  makeInitializersConstant(model);
  const prepared = await foldConstants(model, path);
  const nodeNames = new Set(model.graph.node.map(({ name }) => name));
  restoreNodeNames(prepared, nodeNames);
  restoreBodies(prepared, model);
  normalizeGemms(prepared);
  refuseNonFiniteWeights(prepared, path);
  return {
    model: prepared,
    nodeNames,
    ...(await inferTypes(prepared)),
    sha256: hash.digest("hex"),
    rewritings: [],
    bytes: externalContents.reduce((sum, { byteLength }) => sum + byteLength, bytes.byteLength),
    external: externalContents.length > 0,
  };
}

/** @throws {ModelError} when there is no such file, or none that one protobuf message can be */
export async function readModelFile(path: string): Promise<Uint8Array> {
  const unreadable = (cause: NodeJS.ErrnoException): never => {
    throw new ModelError(`The model ${path} cannot be read (${cause.code}); check the path.`, { cause });
  };
  const found = await stat(path).catch(unreadable);
  // Opening a pipe would wait for whoever writes into it.
  if (!found.isFile())
    throw new ModelError(`The model ${path} is not a file; give the path of an .onnx file.`);
  if (found.size > MAX_FILE_BYTES) {
    throw new ModelError(
      `The model ${path} has ${found.size} bytes, more than the ${MAX_FILE_BYTES} of a protobuf message; move its tensors into external data.`,
    );
  }
  return readFile(path).catch(unreadable);
}

/** Folds constants and batch norms by ONNX Runtime's own basic optimizations, which keep to standard operators. */
async function foldConstants(model: Model, origin: string): Promise<Model> {
  return inTemporaryFolder("fold", async (folder) => {
    const path = join(folder, "folded.onnx");
    await loadOnce(model, origin, path);
    const folded = decodeModel(await readFile(path), path);
    dropUnusedDomains(folded);
    return folded;
  });
}

async function loadOnce(model: Model, origin: string, optimizedModelPath: string): Promise<void> {
  try {
    const settings = { graphOptimizationLevel: "basic", intraOpNumThreads: 1 } as const;
    const session = await openSession(model, settings, optimizedModelPath);
    await session.release();
  } catch (cause) {
    if (!(cause instanceof ModelError)) throw cause;
    throw new ModelError(`${origin}: ${cause.message.replace(/\.$/, "")}; export the model again.`, {
      cause,
    });
  }
}

/** ONNX Runtime writes every domain that it knows into the model's imports. */
function dropUnusedDomains(model: Model): void {
  const used = new Set<string>([""]);
  const visit = (graph: Model["graph"]): void => {
    for (const node of graph.node) {
      used.add(node.domain === "ai.onnx" ? "" : node.domain);
      nestedGraphs(node).forEach(visit);
    }
  };
  visit(model.graph);
  for (const fn of model.functions) {
    used.add(fn.domain);
    for (const node of fn.node) used.add(node.domain);
  }
  model.opsetImport = model.opsetImport.filter(({ domain }) => used.has(domain === "ai.onnx" ? "" : domain));
}

/** Lets ONNX Runtime infer every tensor's type, by asking for all of them as outputs. */
async function inferTypes(model: Model): Promise<Pick<PreparedModel, "tensors" | "inputs" | "outputs">> {
  const { graph } = model;
  const outputs = new Set(graph.output.map(({ name }) => name));
  const hidden = graph.node
    .flatMap(({ output }) => output)
    .filter((name) => name !== "" && !outputs.has(name));
  const revealing = edited(model, {
    graph: edited(graph, {
      output: [...graph.output, ...hidden.map((name) => create(ValueInfoProtoSchema, { name }))],
    }),
  });
  const session = await openSession(revealing, { graphOptimizationLevel: "disabled", intraOpNumThreads: 1 });
  try {
    const { inputs, outputs: made } = portsOf(session);
    const tensors = [...inputs, ...made];
    return {
      inputs,
      outputs: made.filter(({ name }) => outputs.has(name)),
      tensors: new Map(tensors.map((info) => [info.name, info])),
    };
  } finally {
    await session.release();
  }
}
