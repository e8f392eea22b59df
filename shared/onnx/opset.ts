import { create } from "@bufbuild/protobuf";
import {
  AttributeProtoSchema,
  AttributeProto_AttributeType as AttributeType,
  type GraphProto,
  type NodeProto,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
} from "onnx-buf";
import { ModelError } from "../errors.js";
import {
  floatAttribute,
  intAttribute,
  intsAttribute,
  makeIntAttribute,
  nestedGraphs,
  stringAttribute,
} from "./attributes.js";
import { type Model, opsetVersion } from "./codec.js";
import { GraphIndex } from "./graph-index.js";
import { NewNames } from "./new-names.js";
import { DataType, floatValues, makeTensor } from "./tensor.js";

/** Lifting starts here: older operator sets differ in broadcasting, which needs shapes to translate. */
const OLDEST_LIFTABLE = 7;

/** The IR version that came with operator set 13. */
const IR_VERSION = 7n;

const LARGEST_FLOAT = 3.4028234663852886e38;

/**
 * Brings a model of an older operator set to `target`, in place, by rewriting the nodes whose form changed in
 * between (attributes that became inputs). A node whose meaning changed is refused.
 *
 * @throws {ModelError} when a node does not allow it
 */
export function liftOpset(model: Model, target: number, origin: string): void {
  const version = opsetVersion(model);
  if (version >= target) return;
  const refuse = (reason: string): never => {
    throw new ModelError(
      `${origin} uses operator set ${version}, quantizing needs ${target}, and ${reason}; export the model with opset_version=${target} or newer.`,
    );
  };
  if (version < OLDEST_LIFTABLE) refuse(`sets before ${OLDEST_LIFTABLE} cannot be lifted`);
  liftGraph(model.graph, version, new NewNames(new GraphIndex(model.graph).names), refuse);
  if (model.irVersion < IR_VERSION) model.irVersion = IR_VERSION;
  model.opsetImport = [
    ...model.opsetImport.filter(({ domain }) => domain !== "" && domain !== "ai.onnx"),
    create(OperatorSetIdProtoSchema, { domain: "", version: BigInt(target) }),
  ];
}

function liftGraph(
  graph: GraphProto,
  version: number,
  names: NewNames,
  refuse: (reason: string) => never,
): void {
  const constants = new Constants(graph, names);
  graph.node = graph.node.flatMap((node) => {
    for (const body of nestedGraphs(node)) liftGraph(body, version, names, refuse);
    const standard = node.domain === "" || node.domain === "ai.onnx";
    return standard ? liftNode(node, version, constants, refuse) : [node];
  });
}

/** A graph's constants, and those that replace attributes. */
class Constants {
  /** @param names of the whole model, as a nested graph must not hide those outside */
  constructor(
    private readonly graph: GraphProto,
    readonly names: NewNames,
  ) {}

  /** The values of a FLOAT constant, from an initializer or a Constant node. */
  values(name: string): Float32Array | undefined {
    const constant = this.graph.node.find(
      ({ opType, output }) => opType === "Constant" && output[0] === name,
    );
    const tensor =
      this.graph.initializer.find((initializer) => initializer.name === name) ??
      constant?.attribute.find((attribute) => attribute.name === "value")?.t;
    return tensor?.dataType === DataType.FLOAT ? floatValues(tensor) : undefined;
  }

  ints(values: readonly number[]): string {
    return this.#add(DataType.INT64, [values.length], BigInt64Array.from(values.map(BigInt)));
  }

  float(value: number): string {
    return this.#add(DataType.FLOAT, [], Float32Array.of(value));
  }

  floats(values: readonly number[]): string {
    return this.#add(DataType.FLOAT, [values.length], Float32Array.from(values));
  }

  #add(type: DataType, dims: number[], data: Float32Array | BigInt64Array): string {
    const name = this.names.name("lifted_constant");
    this.graph.initializer.push(makeTensor(name, type, dims, data));
    return name;
  }
}

/** The node in its new form, with whatever it needs before and behind it. */
function liftNode(
  node: NodeProto,
  version: number,
  constants: Constants,
  refuse: (reason: string) => never,
): NodeProto[] {
  const drop = (...names: string[]): void => {
    node.attribute = node.attribute.filter(({ name }) => !names.includes(name));
  };
  const moveInts = (attribute: string, input: number): void => {
    const values = intsAttribute(node, attribute);
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
        setInput(node, 1, constants.ints([intAttribute(node, "k", 1)]));
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
        refuse(`BatchNormalization "${node.name}" has a mean for each pixel`);
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
      if (version < 9) refuse(`node "${node.name}" is a Scan, whose form changed`);
      break;
  }
  return [node];
}

/**
 * Before set 13 these normalized over all axes from `axis` on together: flatten them into one, normalize over that,
 * and give the result its shape back.
 */
function liftSoftmax(node: NodeProto, constants: Constants): NodeProto[] {
  const axis = intAttribute(node, "axis", 1);
  if (axis === -1) return [node];
  const [input, output] = [node.input[0]!, node.output[0]!];
  const prefix = constants.names.prefix(output, ["shape", "flattened", "normalized"]);
  const name = (part: string) => `${prefix}/${part}`;
  const make = (opType: string, inputs: string[], made: string, attribute = [] as NodeProto["attribute"]) =>
    create(NodeProtoSchema, { name: made, opType, input: inputs, output: [made], attribute });
  const shape = make("Shape", [input], name("shape"));
  const flat = make("Flatten", [input], name("flattened"), [makeIntAttribute("axis", axis)]);
  const restored = make("Reshape", [name("normalized"), name("shape")], output);
  node.input = [name("flattened")];
  node.output = [name("normalized")];
  node.attribute = [makeIntAttribute("axis", -1)];
  return [shape, flat, node, restored];
}

/** Upsample, and Resize of set 10, had scales only and sampled from the corner. */
function liftUpsample(node: NodeProto, constants: Constants, nearest: "floor" | "ceil"): void {
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

/** ONNX Runtime's Resize of set 10 takes the element below where an axis grows and the one above where it shrinks. */
function nearestMode(
  node: NodeProto,
  constants: Constants,
  refuse: (reason: string) => never,
): "floor" | "ceil" {
  if (stringAttribute(node, "mode", "nearest") !== "nearest") return "floor";
  const scales = constants.values(node.input[1]!);
  if (scales === undefined) return refuse(`Resize "${node.name}" has computed scales`);
  if (scales.every((scale) => scale >= 1)) return "floor";
  if (scales.every((scale) => scale <= 1)) return "ceil";
  return refuse(`Resize "${node.name}" makes one axis longer and another shorter`);
}

function floatsAttribute(node: NodeProto, name: string): number[] {
  return node.attribute.find((attribute) => attribute.name === name)?.floats ?? [];
}

function setInput(node: NodeProto, index: number, name: string): void {
  while (node.input.length <= index) node.input.push("");
  node.input[index] = name;
}
