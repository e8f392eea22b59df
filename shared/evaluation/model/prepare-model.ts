import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { makeInitializersConstant } from "../../onnx/graph/constant-inputs.js";
import { normalizeGemms } from "../../onnx/graph/gemm.js";
import { restoreBodies } from "../../onnx/graph/nested-bodies.js";
import { restoreNodeNames } from "../../onnx/graph/node-names.js";
import { inlineFunctions } from "../../onnx/lift/inline-functions.js";
import { type LiftTarget, liftOpset } from "../../onnx/lift/opset.js";
import { padAllAxes } from "../../onnx/lift/pad-axes.js";
import {
  refuseHalfPrecision,
  refuseLongNames,
  refuseNonFiniteWeights,
  refuseQuantized,
  refuseWithoutOutputs,
} from "../../onnx/lift/refusals.js";
import { sortNodes } from "../../onnx/lift/topological-order.js";
import { forgetUnknownDimensions } from "../../onnx/lift/unknown-dimensions.js";
import { nestedGraphs } from "../../onnx/model/attributes.js";
import { decodeModel, isStandardDomain, type Model } from "../../onnx/model/codec.js";
import { loadExternalData } from "../../onnx/model/external-data.js";
import type { TensorInfo } from "../../quantization/graph/quantizable-ops.js";
import { openSession, type PortInfo } from "../../runtime/session.js";
import { inTemporaryFolder } from "../../storage/temporary-folder.js";
import { requireBoundedConstants, requireBoundedTensors, requireFits } from "./bounded-model.js";
import { naming, readModelFile } from "./model-file.js";
import { inferTypes } from "./tensor-types.js";

/** A float model ready to be quantized: constants and batch norms are folded, tensor types known. */
export interface PreparedModel {
  readonly model: Model;
  /** All node names of the model file; folding removes some of the nodes. */
  readonly nodeNames: ReadonlySet<string>;
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly inputs: readonly PortInfo[];
  readonly outputs: readonly PortInfo[];
  /** SHA-256 of the model file, and of its external data where there are any. */
  readonly sha256: string;
  /** Descriptions of the algorithms that have rewritten the model, in their order (`RewrittenModel.description`). */
  readonly rewritings: readonly string[];
  /** Total size of the model file and its external data. */
  readonly bytes: number;
  /** Whether tensors were read from external files; those of the quantized model are written to one too. */
  readonly external: boolean;
}

/**
 * Reads and prepares the model at `path`.
 *
 * @param opset the version that QuantizeLinear and DequantizeLinear need for the codes that may be chosen; 13 for 8
 * bits
 * @throws {ModelError} when it is no float ONNX model that ONNX Runtime loads
 */
export async function prepareModelFile(path: string, opset: LiftTarget = 13): Promise<PreparedModel> {
  return prepareModel(await readModelFile(path), path, opset);
}

/** Prepares a model from the bytes of the file at `path`; external data lie beside the file. */
export async function prepareModel(
  bytes: Uint8Array,
  path: string,
  opset: LiftTarget,
): Promise<PreparedModel> {
  const model = decodeModel(bytes, path);
  inlineFunctions(model, path);
  sortNodes(model.graph, path);
  forgetUnknownDimensions(model.graph);
  refuseQuantized(model, path);
  refuseWithoutOutputs(model, path);
  refuseLongNames(model, path);
  refuseHalfPrecision(model, path);
  requireBoundedConstants(model, path);
  const hash = createHash("sha256").update(bytes);
  const externalContents = await loadExternalData(model, dirname(path));
  for (const content of externalContents) hash.update(content);
  liftOpset(model, opset, path);
  makeInitializersConstant(model);
  await naming(path, requireBoundedTensors(model, path));
  const prepared = await foldConstants(model, path);
  const nodeNames = new Set(model.graph.node.map(({ name }) => name));
  restoreNodeNames(prepared, nodeNames);
  restoreBodies(prepared, model);
  normalizeGemms(prepared);
  refuseNonFiniteWeights(prepared, path);
  const types = await inferTypes(prepared);
  requireFits(prepared.graph, types.tensors, path);
  // ONNX Runtime reports a rank of 0 for tensors of unknown rank, which cannot be padded.
  padAllAxes(prepared, (tensor) => types.tensors.get(tensor)?.shape.length || undefined);
  return {
    model: prepared,
    nodeNames,
    ...types,
    sha256: hash.digest("hex"),
    rewritings: [],
    bytes: externalContents.reduce((sum, { byteLength }) => sum + byteLength, bytes.byteLength),
    external: externalContents.length > 0,
  };
}

/** Folds constants and batch norms by ONNX Runtime's basic optimizations, which use standard operators only. */
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
  const settings = { graphOptimizationLevel: "basic", intraOpNumThreads: 1 } as const;
  const session = await naming(origin, openSession(model, settings, optimizedModelPath));
  await session.release();
}

/**
 * Removes the operator domains that no node uses from a model's imports: ONNX Runtime writes all that it
 * knows.
 */
function dropUnusedDomains(model: Model): void {
  const used = new Set<string>([""]);
  const visit = (graph: Model["graph"]): void => {
    for (const node of graph.node) {
      used.add(isStandardDomain(node.domain) ? "" : node.domain);
      nestedGraphs(node).forEach(visit);
    }
  };
  visit(model.graph);
  for (const fn of model.functions) {
    used.add(fn.domain);
    for (const node of fn.node) used.add(node.domain);
  }
  model.opsetImport = model.opsetImport.filter(({ domain }) =>
    used.has(isStandardDomain(domain) ? "" : domain),
  );
}
