import { createScanner, type Node, type ParseError, parseTree, printParseErrorCode } from "jsonc-parser";
import { ConfigurationError } from "../basics/errors.js";
import { jsonPath } from "./problem.js";

/**
 * Values of jsonc-parser's `SyntaxKind`, which is a const enum and cannot be imported under
 * `isolatedModules`.
 */
const TOKEN = { openBrace: 1, closeBrace: 2, openBracket: 3, closeBracket: 4, endOfFile: 17 } as const;

/** Value of jsonc-parser's `ParseErrorCode.ValueExpected`, which is a const enum too. */
const VALUE_EXPECTED = 4;

/**
 * Deepest nesting that is accepted, far deeper than any real configuration. jsonc-parser is recursive, so deeper
 * text could overflow the stack.
 */
const MAX_NESTING = 64;
export const LARGEST_CONFIGURATION_BYTES = 1024 * 1024;

/**
 * Parses JSON with comments into plain values.
 *
 * @param file names the text in messages
 * @throws {ConfigurationError} when the text is too large, nested too deeply, not JSON, or has a key twice
 */
export function parseJsonWithComments(text: string, file: string): unknown {
  if (text.length > LARGEST_CONFIGURATION_BYTES) {
    throw new ConfigurationError(
      `${file} has ${text.length} characters, but a configuration has at most ${LARGEST_CONFIGURATION_BYTES}; keep data in files of its own.`,
    );
  }
  if (text.trim() === "") {
    throw new ConfigurationError(`${file} is empty, but must hold a configuration in JSON.`);
  }
  refuseDeepNesting(text, file);
  const errors: ParseError[] = [];
  const tree = parseTree(text, errors, { allowTrailingComma: false, disallowComments: false });
  const [first] = errors;
  if (first === undefined && tree !== undefined) return plainValue(tree, [], text, file);
  const offset = first?.offset ?? text.length;
  const what = describeSyntaxError(first?.error ?? VALUE_EXPECTED);
  throw new ConfigurationError(`${file}:${position(text, offset)} is not JSON: ${what}.`);
}

function refuseDeepNesting(text: string, file: string): void {
  const scanner = createScanner(text, true);
  let depth = 0;
  for (let token: number = scanner.scan(); token !== TOKEN.endOfFile; token = scanner.scan()) {
    if (token === TOKEN.openBrace || token === TOKEN.openBracket) depth++;
    if (token === TOKEN.closeBrace || token === TOKEN.closeBracket) depth--;
    if (depth > MAX_NESTING) {
      throw new ConfigurationError(
        `${file}:${position(text, scanner.getTokenOffset())} is nested more than ${MAX_NESTING} levels deep; no configuration needs that.`,
      );
    }
  }
}

function position(text: string, offset: number): string {
  const before = text.slice(0, offset);
  const line = before.split("\n").length;
  return `${line}:${offset - before.lastIndexOf("\n")}`;
}

/**
 * The plain value of a syntax node. `Object.fromEntries` makes a key named `__proto__` an ordinary property,
 * so that the schema refuses it as unknown.
 */
function plainValue(node: Node, path: readonly PropertyKey[], text: string, file: string): unknown {
  if (node.type === "array") {
    return (node.children ?? []).map((child, index) => plainValue(child, [...path, index], text, file));
  }
  if (node.type !== "object") return node.value as unknown;
  const entries = new Map<string, unknown>();
  for (const property of node.children ?? []) {
    const [key, value] = property.children ?? [];
    if (key === undefined || value === undefined) continue;
    const name = String(key.value);
    const place = [...path, name];
    if (entries.has(name)) {
      throw new ConfigurationError(
        `${file}:${position(text, key.offset)} gives ${jsonPath(place)} a second time; keep one of the two.`,
        jsonPath(place),
      );
    }
    entries.set(name, plainValue(value, place, text, file));
  }
  return Object.fromEntries(entries);
}

function describeSyntaxError(code: number): string {
  switch (printParseErrorCode(code)) {
    case "InvalidSymbol":
      return "a word is neither in quotes nor true, false or null";
    case "InvalidNumberFormat":
      return "a number is not well formed";
    case "PropertyNameExpected":
      return "a key in double quotes is expected (a comma before a closing bracket must go)";
    case "ValueExpected":
      return "a value is expected (a comma before a closing bracket must go)";
    case "ColonExpected":
      return "a colon is expected";
    case "CommaExpected":
      return "a comma is expected";
    case "CloseBraceExpected":
      return "a closing } is expected";
    case "CloseBracketExpected":
      return "a closing ] is expected";
    case "EndOfFileExpected":
      return "nothing more is expected after the closing bracket";
    case "InvalidCommentToken":
    case "UnexpectedEndOfComment":
      return "a comment is not closed";
    case "UnexpectedEndOfString":
      return "a string is not closed";
    case "InvalidUnicode":
      return "a \\u escape does not have four hexadecimal digits";
    case "InvalidEscapeCharacter":
      return "a backslash in a string starts no known escape (write \\\\ for a backslash)";
    case "InvalidCharacter":
      return "a control character stands in a string";
    default:
      return "it cannot be understood here";
  }
}
