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
