import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { packageRoot } from "../../package/package-root.js";

/** A name that an entry of the package exports: its declaration as the compiler writes it, with its docstring. */
interface Exported {
  readonly name: string;
  readonly kind: "function" | "class" | "type";
  readonly documentation: string;
  readonly declaration: string;
}

const ENTRIES = [
  { title: "quantfleet", module: "dist/scripts/index.d.ts" },
  { title: "quantfleet/cdk", module: "dist/infra/index.d.ts" },
] as const;

const KINDS = { function: "Functions", class: "Classes", type: "Types" } as const;

/**
 * The exported names of the package with their docstrings and declarations, as Markdown; made from compiled
 * declarations.
 */
export function apiReference(): string {
  return ENTRIES.map(({ title, module }) => {
    const exported = exportedNames(join(packageRoot(), module)).map(({ name, file }) => describe(name, file));
    const parts = (Object.keys(KINDS) as (keyof typeof KINDS)[]).flatMap((kind) => {
      const those = exported.filter((each) => each.kind === kind).sort((a, b) => (a.name < b.name ? -1 : 1));
      return those.length === 0 ? [] : [`### ${KINDS[kind]} of ${title}`, ...those.map(section)];
    });
    return [`## ${title}`, ...parts].join("\n\n");
  })
    .join("\n\n")
    .concat("\n");
}

function section({ name, documentation, declaration }: Exported): string {
  return [
    `#### ${name}`,
    ...(documentation === "" ? [] : [documentation]),
    `\`\`\`ts\n${declaration}\n\`\`\``,
  ].join("\n\n");
}

/** The names that a module exports, each with the file that declares it. */
function exportedNames(file: string): { readonly name: string; readonly file: string }[] {
  const text = readFileSync(file, "utf8");
  return [...text.matchAll(/^export (?:type )?\{([^}]*)\} from "([^"]+)";/gms)].flatMap(
    ([, names = "", module = ""]) => {
      const target = join(dirname(file), module.replace(/\.js$/, ".d.ts"));
      return names
        .split(",")
        .map((name) => name.replace(/^\s*type /, "").trim())
        .filter((name) => name !== "")
        .map((name) => ({ name, file: declaringFile(name, target) }));
    },
  );
}

function declaringFile(name: string, file: string): string {
  return exportedNames(file).find((each) => each.name === name)?.file ?? file;
}

function describe(name: string, file: string): Exported {
  const text = readFileSync(file, "utf8");
  const found = new RegExp(
    `^export (?:declare )?(?:abstract )?(function|class|interface|type|const) ${name}\\b`,
    "m",
  ).exec(text);
  if (found === null) throw new Error(`${file} declares no ${name}.`);
  return {
    name,
    kind: found[1] === "function" ? "function" : found[1] === "class" ? "class" : "type",
    documentation: documentationBefore(text.slice(0, found.index)),
    declaration: declarationAt(text.slice(found.index)),
  };
}

/** The docstring that ends a text: its sentences, its example as code, its other tags as a list. */
function documentationBefore(text: string): string {
  const comment = /\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*$/.exec(text)?.[1] ?? "";
  const lines = comment.split("\n").map((line) => line.replace(/^\s*\*? ?/, "").trimEnd());
  const [sentences = "", ...tags] = lines
    .join("\n")
    .replaceAll(/\{@link ([^}]+)\}/g, "`$1`")
    .split(/\n@|^@/);
  const list = tags
    .filter((tag) => !tag.startsWith("example"))
    .map((tag) => `- \`@${tag.trim().replace(/^\w+/, "$&`").replaceAll("\n", " ")}`);
  const examples = tags
    .filter((tag) => tag.startsWith("example"))
    .map((tag) => `\`\`\`ts\n${tag.replace("example", "").trim()}\n\`\`\``);
  return [sentences.trim(), ...examples, list.join("\n")].filter((part) => part !== "").join("\n\n");
}

/** The declaration at the start of a text, to the line that closes it. */
function declarationAt(text: string): string {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    if (text.startsWith("/*", at)) at = text.indexOf("*/", at) + 1;
    else if ("{([".includes(text[at]!)) depth++;
    else if ("})]".includes(text[at]!)) {
      depth--;
      if (depth === 0 && text[at] === "}" && /^\n/.test(text.slice(at + 1)))
        return cleaned(text.slice(0, at + 1));
    } else if (text[at] === ";" && depth === 0) return cleaned(text.slice(0, at + 1));
  }
  return cleaned(text);
}

/** The declaration without the word `export` and without private members, which say nothing to a reader. */
function cleaned(declaration: string): string {
  return declaration.replace(/^export (declare )?/, "").replaceAll(/^ +(#private|private [^\n]*);\n/gm, "");
}
