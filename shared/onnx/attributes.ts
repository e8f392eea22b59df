import { create } from "@bufbuild/protobuf";
import {
  type AttributeProto,
  AttributeProtoSchema,
  AttributeProto_AttributeType as AttributeType,
  type GraphProto,
  type NodeProto,
} from "onnx-buf";

function find(node: NodeProto, name: string): AttributeProto | undefined {
  return node.attribute.find((attribute) => attribute.name === name);
}

export function intAttribute(node: NodeProto, name: string, fallback: number): number {
  const attribute = find(node, name);
  return attribute === undefined ? fallback : Number(attribute.i);
}

export function floatAttribute(node: NodeProto, name: string, fallback: number): number {
  return find(node, name)?.f ?? fallback;
}

export function intsAttribute(node: NodeProto, name: string): number[] | undefined {
  return find(node, name)?.ints.map(Number);
}

export function stringAttribute(node: NodeProto, name: string, fallback: string): string {
  const attribute = find(node, name);
  return attribute === undefined ? fallback : Buffer.from(attribute.s).toString("utf8");
}

export type AttributeValue = number | string | boolean | readonly number[];

/** Whether the node has the attribute with this value; a boolean stands for 0 or 1, as in ONNX. */
export function attributeEquals(node: NodeProto, name: string, value: AttributeValue): boolean {
  const attribute = find(node, name);
  if (attribute === undefined) return false;
  switch (attribute.type) {
    case AttributeType.INT:
      return Number(attribute.i) === Number(value);
    case AttributeType.FLOAT:
      return attribute.f === Math.fround(Number(value));
    case AttributeType.STRING:
      return Buffer.from(attribute.s).toString("utf8") === value;
    case AttributeType.INTS:
      return Array.isArray(value) && attribute.ints.map(Number).join() === value.join();
    case AttributeType.FLOATS:
      return Array.isArray(value) && attribute.floats.join() === value.map(Math.fround).join();
    default:
      return false;
  }
}

export function makeIntAttribute(name: string, value: number): AttributeProto {
  return create(AttributeProtoSchema, { name, type: AttributeType.INT, i: BigInt(value) });
}

export function makeIntsAttribute(name: string, values: readonly number[]): AttributeProto {
  return create(AttributeProtoSchema, { name, type: AttributeType.INTS, ints: values.map(BigInt) });
}

/** The graphs nested in a node: the bodies of `If`, `Loop` and `Scan`. */
export function nestedGraphs(node: NodeProto): GraphProto[] {
  return node.attribute.flatMap((attribute) => [
    ...(attribute.g === undefined ? [] : [attribute.g]),
    ...attribute.graphs,
  ]);
}
