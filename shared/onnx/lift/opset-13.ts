import { create } from "@bufbuild/protobuf";
import {
  AttributeProtoSchema,
  AttributeProto_AttributeType as AttributeType,
  type NodeProto,
  NodeProtoSchema,
} from "onnx-buf";
import { nodeName } from "../graph/node-names.js";
import {
  exactIntAttribute,
  exactIntsAttribute,
  floatAttribute,
  intAttribute,
  makeIntAttribute,
  stringAttribute,
} from "../model/attributes.js";
import { type LiftedConstants, setInput } from "./lifted-constants.js";

const LARGEST_FLOAT = 3.4028234663852886e38;

/**
 * The node in its form of operator set 13, with the nodes that it needs before and after it.
 *
 * @param version operator set that the node is in, 7 or newer
 */
export function liftNodeTo13(
  node: NodeProto,
  version: number,
  constants: LiftedConstants,
  refuse: (reason: string) => never,
): NodeProto[] {
  const drop = (...names: string[]): void => {
    node.attribute = node.attribute.filter(({ name }) => !names.includes(name));
  };
  const moveInts = (attribute: string, input: number): void => {
    const values = exactIntsAttribute(node, attribute);
    if (values !== undefined) setInput(node, input, constants.ints(values));
    drop(attribute);
  };
  switch (node.opType) {
    case "Clip":
      if (version < 11) {
        setInput(node, 1, constants.float(floatAttribute(node, "min", -LARGEST_FLOAT)));
        setInput(node, 2, constants.float(floatAttribute(node, "max", LARGEST_FLOAT)));
        drop("min", "max");
      }
      break;
    case "Pad":
      if (version < 11) {
        moveInts("pads", 1);
        setInput(node, 2, constants.float(floatAttribute(node, "value", 0)));
        drop("value");
      }
      break;
    case "Slice":
      if (version < 10) {
        moveInts("starts", 1);
        moveInts("ends", 2);
        moveInts("axes", 3);
      }
      break;
    case "TopK":
      if (version < 10) {
        setInput(node, 1, constants.ints([exactIntAttribute(node, "k", 1n)]));
        drop("k");
      }
      break;
    case "Squeeze":
    case "Unsqueeze":
    case "ReduceSum":
      moveInts("axes", 1);
      break;
    case "Split":
      moveInts("split", 1);
      break;
    case "Dropout":
      if (version < 12) drop("ratio");
      break;
    case "BatchNormalization":
      if (intAttribute(node, "spatial", 1) === 0) {
        refuse(`BatchNormalization "${nodeName(node)}" has a mean for each pixel`);
      }
      drop("spatial");
      node.output.length = 1;
      break;
    case "Softmax":
    case "LogSoftmax":
    case "Hardmax":
      return liftSoftmax(node, constants);
    case "Upsample":
      if (version < 9) setInput(node, 1, constants.floats(floatsAttribute(node, "scales")));
      liftUpsample(node, constants, "floor");
      break;
    case "Resize":
      if (version < 11) liftUpsample(node, constants, nearestMode(node, constants, refuse));
      break;
    case "Scatter":
      node.opType = "ScatterElements";
      break;
    case "Scan":
      if (version < 9) refuse(`node "${nodeName(node)}" is a Scan, whose form changed`);
      break;
  }
  return [node];
}

/**
 * Before set 13, Softmax, LogSoftmax and Hardmax normalized over all axes from `axis` on together. The result
 * flattens these axes into one, normalizes over it and restores the shape.
 */
function liftSoftmax(node: NodeProto, constants: LiftedConstants): NodeProto[] {
  const axis = intAttribute(node, "axis", 1);
  if (axis === -1) return [node];
  const [input, output] = [node.input[0]!, node.output[0]!];
  const prefix = constants.names.prefix(output, ["/shape", "/flattened", "/normalized", "/Reshape"]);
  const name = (part: string) => `${prefix}/${part}`;
  const make = (
    opType: string,
    inputs: string[],
    made: string,
    { attribute = [] as NodeProto["attribute"], output: written = made } = {},
  ) => create(NodeProtoSchema, { name: made, opType, input: inputs, output: [written], attribute });
  const shape = make("Shape", [input], name("shape"));
  const flat = make("Flatten", [input], name("flattened"), { attribute: [makeIntAttribute("axis", axis)] });
  // The Reshape does not take the output tensor's name, because exporters name other nodes after their
  // outputs.
  const restored = make("Reshape", [name("normalized"), name("shape")], name("Reshape"), { output });
  node.input = [name("flattened")];
  node.output = [name("normalized")];
  node.attribute = [makeIntAttribute("axis", -1)];
  return [shape, flat, node, restored];
}

/**
 * Makes a Resize of set 13 of an Upsample, or of a Resize of set 10: both had only scales and sampled from
 * the corner.
 */
function liftUpsample(node: NodeProto, constants: LiftedConstants, nearest: "floor" | "ceil"): void {
  const mode = stringAttribute(node, "mode", "nearest");
  node.opType = "Resize";
  node.input = [node.input[0]!, constants.floats([]), node.input[1]!];
  const text = (name: string, value: string) =>
    create(AttributeProtoSchema, { name, type: AttributeType.STRING, s: new Uint8Array(Buffer.from(value)) });
  node.attribute = [
    text("mode", mode),
    text("coordinate_transformation_mode", "asymmetric"),
    ...(mode === "nearest" ? [text("nearest_mode", nearest)] : []),
  ];
}

/**
 * Rounding of "nearest" in ONNX Runtime's Resize of set 10: down along axes that grow, up along axes that
 * shrink.
 */
function nearestMode(
  node: NodeProto,
  constants: LiftedConstants,
  refuse: (reason: string) => never,
): "floor" | "ceil" {
  if (stringAttribute(node, "mode", "nearest") !== "nearest") return "floor";
  const scales = constants.values(node.input[1]!);
  if (scales === undefined) return refuse(`Resize "${nodeName(node)}" has computed scales`);
  if (scales.every((scale) => scale >= 1)) return "floor";
  if (scales.every((scale) => scale <= 1)) return "ceil";
  return refuse(`Resize "${nodeName(node)}" makes one axis longer and another shorter`);
}

function floatsAttribute(node: NodeProto, name: string): number[] {
  return node.attribute.find((attribute) => attribute.name === name)?.floats ?? [];
}
