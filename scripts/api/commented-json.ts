/** A top-level key of a JSON document, with its value and a comment to write before it. */
export interface CommentedSection {
  readonly comment?: string;
  readonly key: string;
  readonly value: unknown;
}

const WIDTH = 100;

/** A JSON document with `//` comments; short arrays of numbers and texts stay on one line. */
export function commentedJson(sections: readonly CommentedSection[]): string {
  const entries = sections.map(({ comment, key, value }) => {
    const lines = comment === undefined ? [] : wrap(comment).map((line) => `  // ${line}`);
    return [...lines, `  ${JSON.stringify(key)}: ${indented(value)}`].join("\n");
  });
  return `{\n${entries.join(",\n")}\n}\n`;
}

function indented(value: unknown): string {
  const text = JSON.stringify(value, null, 2);
  const compact = text.replace(/\[\n\s+((?:[^[\]{}\n]+\n\s*)+)\]/g, (whole, inner: string) => {
    const line = `[${inner.trim().replace(/\n\s*/g, " ")}]`;
    return line.length <= WIDTH ? line : whole;
  });
  return compact.replaceAll("\n", "\n  ");
}

function wrap(text: string): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last === undefined || last.length + word.length + 1 > WIDTH) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}
