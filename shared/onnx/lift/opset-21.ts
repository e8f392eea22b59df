import { create } from "@bufbuild/protobuf";
import {
  AttributeProtoSchema,
  AttributeProto_AttributeType as AttributeType,
  type NodeProto,
} from "onnx-buf";
import { nodeName } from "../graph/node-names.js";
import { exactIntsAttribute, makeIntAttribute, stringAttribute } from "../model/attributes.js";
import { type LiftedConstants, setInput } from "./lifted-constants.js";

/**
 * Rewrites a node of operator set 13 or newer in the form of set 21, in place. It covers all changes in the
 * ONNX changelog between the two, except further types and attributes whose defaults keep the meaning.
 *
 * @param version operator set that the node is in, 13 or newer
 */
export function liftNodeTo21(
  node: NodeProto,
  version: number,
  constants: LiftedConstants,
  refuse: (reason: string) => never,
): void {
  const drop = (name: string): void => {
    node.attribute = node.attribute.filter((attribute) => attribute.name !== name);
  };
  switch (node.opType) {
    case "ReduceL1":
    case "ReduceL2":
    case "ReduceLogSum":
    case "ReduceLogSumExp":
    case "ReduceMax":
    case "ReduceMean":
    case "ReduceMin":
    case "ReduceProd":
    case "ReduceSumSquare": {
      const axes = version < 18 ? exactIntsAttribute(node, "axes") : undefined;
      if (axes !== undefined) setInput(node, 1, constants.ints(axes));
      drop("axes");
      break;
    }
    case "Split":
      // Before operator set 18, omitted sizes of a Split meant equal parts.
      if (version < 18 && (node.input[1] ?? "") === "") {
        node.attribute = [...node.attribute, makeIntAttribute("num_outputs", node.output.length)];
      }
      break;
    case "BatchNormalization":
      // Before operator set 14, further outputs of BatchNormalization were for training only.
      if (version < 14) node.output.length = 1;
      break;
    case "RoiAlign":
      if (version < 16) {
        node.attribute = [
          ...node.attribute,
          textAttribute("coordinate_transformation_mode", "output_half_pixel"),
        ];
      }
      break;
    case "GridSample":
      if (version < 20) renameGridMode(node);
      break;
    case "DFT":
      if (version < 20) refuse(`node "${nodeName(node)}" is a DFT, whose form changed`);
      break;
    case "GroupNormalization":
      if (version < 21) refuse(`node "${nodeName(node)}" is a GroupNormalization with a scale a group`);
      break;
  }
}

/** Renames GridSample's interpolation modes, which set 20 calls as Resize does. */
function renameGridMode(node: NodeProto): void {
  const mode = stringAttribute(node, "mode", "bilinear");
  const renamed = mode === "bilinear" ? "linear" : mode === "bicubic" ? "cubic" : mode;
  node.attribute = [...node.attribute.filter(({ name }) => name !== "mode"), textAttribute("mode", renamed)];
}

function textAttribute(name: string, value: string) {
  return create(AttributeProtoSchema, {
    name,
    type: AttributeType.STRING,
    s: new Uint8Array(Buffer.from(value)),
  });
}
