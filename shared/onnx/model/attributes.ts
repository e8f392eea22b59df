import { create } from "@bufbuild/protobuf";
import {
  type AttributeProto,
  AttributeProtoSchema,
  AttributeProto_AttributeType as AttributeType,
  type GraphProto,
  type NodeProto,
} from "onnx-buf";
import { ModelError } from "../../basics/errors.js";

function find(node: NodeProto, name: string): AttributeProto | undefined {
  return node.attribute.find((attribute) => attribute.name === name);
}

/**
 * Value of an INT attribute that takes part in arithmetic, such as an axis.
 * @throws {ModelError} when the value exceeds the integers that a number holds exactly
 */
export function intAttribute(node: NodeProto, name: string, fallback: number): number {
  const attribute = find(node, name);
  return attribute === undefined ? fallback : asNumber(node, name, attribute.i);
}

/** Value of an INT attribute in all its 64 bits. */
export function exactIntAttribute(node: NodeProto, name: string, fallback: bigint): bigint {
  return find(node, name)?.i ?? fallback;
}

export function floatAttribute(node: NodeProto, name: string, fallback: number): number {
  return find(node, name)?.f ?? fallback;
}

/**
 * Values of an INTS attribute that take part in arithmetic, such as strides.
 * @throws {ModelError} when a value exceeds the integers that a number holds exactly
 */
export function intsAttribute(node: NodeProto, name: string): number[] | undefined {
  return find(node, name)?.ints.map((value) => asNumber(node, name, value));
}

/** Values of an INTS attribute in all their 64 bits: as a Slice's bound, 2^63-1 means "to the end". */
export function exactIntsAttribute(node: NodeProto, name: string): readonly bigint[] | undefined {
  return find(node, name)?.ints;
}

function asNumber(node: NodeProto, name: string, value: bigint): number {
  const number = Number(value);
  if (Number.isSafeInteger(number)) return number;
  throw new ModelError(
    `Attribute "${name}" of ${node.opType} "${node.name}" is ${value}, which is no size or axis; export the model again.`,
  );
}

export function stringAttribute(node: NodeProto, name: string, fallback: string): string {
  const attribute = find(node, name);
  return attribute === undefined ? fallback : Buffer.from(attribute.s).toString("utf8");
}

export type AttributeValue = number | string | boolean | readonly number[];

/** Whether the node has the attribute with this value; a boolean compares as 0 or 1, as in ONNX. */
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

export function makeIntAttribute(name: string, value: number | bigint): AttributeProto {
  return create(AttributeProtoSchema, { name, type: AttributeType.INT, i: BigInt(value) });
}

export function makeIntsAttribute(name: string, values: readonly (number | bigint)[]): AttributeProto {
  return create(AttributeProtoSchema, { name, type: AttributeType.INTS, ints: values.map(BigInt) });
}

/** The graphs nested in a node: the bodies of `If`, `Loop` and `Scan`. */
export function nestedGraphs(node: NodeProto): GraphProto[] {
  return node.attribute.flatMap((attribute) => [
    ...(attribute.g === undefined ? [] : [attribute.g]),
    ...attribute.graphs,
  ]);
}
