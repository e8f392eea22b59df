import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { describe, test } from "node:test";
import { allPages, anchorOf, headingsOf, proseOf, ROOT, readPage } from "./pages.js";

const SOURCE_FOLDERS = ["shared", "functions", "infra", "scripts", "test", "docs", "examples"];
const SOURCE = /\.(ts|mts|mjs|js|py|json|xml|sh)$/;
/** Made from sources, or samples of what others wrote. */
const NOT_READ = /(^|\/)(node_modules|traces)\/|^scripts\/tools\/bench\/search\/given\//;

/** A document that a text names, with a heading of it where it names one. */
interface Citation {
  readonly document: string;
  readonly heading?: string;
  readonly anchor?: string;
}

function sourceFiles(): string[] {
  return SOURCE_FOLDERS.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
      .map((path) => join(folder, path))
      .filter((path) => SOURCE.test(path) && !NOT_READ.test(path)),
  );
}

/** The text with comments and strings that go on over several lines joined, as a citation may be broken there. */
function joinedLines(text: string): string {
  return text
    .replaceAll(/\n\s*(\*|\/\/|#)\s(?!\/)/g, " ")
    .replaceAll(/\\"/g, '"')
    .replaceAll(/\n\s+/g, " ");
}

/** `docs/guide/tune.md`, `docs/design/search.md, "One ask"` or `CONTRIBUTING.md`; placeholders such as `*.md` are none. */
function citationsOf(text: string): Citation[] {
  const pattern = /(?<![\w*<{/.-])((?:[\w-]+\/)*[\w-]+\.md)(?:#([\w-]+)|, "([^"]+)")?/g;
  return [...joinedLines(text).matchAll(pattern)].map(([, document, anchor, heading]) => ({
    document: document!,
    ...(anchor === undefined ? {} : { anchor }),
    ...(heading === undefined ? {} : { heading }),
  }));
}

/** What is wrong with a citation; `undefined` where the document and the heading exist. */
function problemOf({ document, heading, anchor }: Citation): string | undefined {
  if (!existsSync(join(ROOT, document))) return `names ${document}, which does not exist`;
  const headings = headingsOf(readPage(document));
  if (heading !== undefined && !headings.includes(heading))
    return `names the heading "${heading}", which ${document} does not have`;
  if (anchor !== undefined && !headings.map(anchorOf).includes(anchor))
    return `names #${anchor}, which ${document} does not have`;
  return undefined;
}

/** Sections by number are of papers and books, whose title stands before, or of a document that nobody has. */
function unnamedSections(text: string): string[] {
  const joined = joinedLines(text);
  return [...joined.matchAll(/\b[Ss]ections? \d+(\.\d+)*/g)].flatMap(({ 0: citation, index }) =>
    /"[^"]{10,}"[^"]{0,20}$/.test(joined.slice(Math.max(0, index - 200), index)) ? [] : [citation],
  );
}

function violationsIn(file: string, text: string): string[] {
  return [
    ...citationsOf(text).map(problemOf),
    ...unnamedSections(text).map((citation) => `cites "${citation}" of a document that it does not name`),
  ].flatMap((problem) => (problem === undefined ? [] : [`${file} ${problem}`]));
}

/** As a list, since a comparison of long lists would be shown in part. */
function assertNone(violations: readonly string[]): void {
  assert.ok(violations.length === 0, `${violations.length} violations:\n${violations.join("\n")}`);
}

describe("documents and headings", () => {
  test("that comments and strings of sources cite exist", () => {
    const files = sourceFiles().filter((file) => !file.startsWith("test/documentation/references"));
    assert.ok(files.length > 300, `${files.length} sources were found`);
    assertNone(files.flatMap((file) => violationsIn(file, readFileSync(join(ROOT, file), "utf8"))));
  });

  test("that pages name as code exist, sources as well", () => {
    const path = /`((?:docs|examples|shared|functions|infra|scripts|test)\/[\w/.-]+)`/g;
    const violations = allPages().flatMap((page) =>
      [...readPage(page).matchAll(path)]
        .filter(([, named]) => !existsSync(join(ROOT, named!)))
        .map(([, named]) => `${page} names ${named}, which does not exist`),
    );
    assertNone(violations);
  });

  test("that pages link to exist, with their anchors", () => {
    const violations = allPages().flatMap((page) =>
      [...proseOf(readPage(page)).matchAll(/\]\((?![a-z]+:)([^)#\s]*)(?:#([^)\s]+))?\)/g)].flatMap(
        ([link, path = "", anchor]) => {
          const target = path === "" ? page : normalize(join(dirname(page), path));
          if (!existsSync(join(ROOT, target))) return [`${page} links to ${path}, which does not exist`];
          if (anchor === undefined) return [];
          const anchors = target.endsWith(".md") ? headingsOf(readPage(target)).map(anchorOf) : [];
          return anchors.includes(anchor)
            ? []
            : [`${page} has the link ${link}, whose anchor does not exist`];
        },
      ),
    );
    assertNone(violations);
  });

  test("are all reached from the README", () => {
    const reached = new Set<string>();
    const follow = (page: string): void => {
      if (reached.has(page) || !page.endsWith(".md") || !existsSync(join(ROOT, page))) return;
      reached.add(page);
      for (const [, path] of proseOf(readPage(page)).matchAll(/\]\((?![a-z]+:)([^)#\s]+)/g))
        follow(normalize(join(dirname(page), path!)));
    };
    follow("README.md");
    assertNone(
      allPages()
        .filter((page) => !reached.has(page))
        .map((page) => `${page} is linked to from no page that the README leads to`),
    );
  });
});

describe("a citation is found to be wrong", () => {
  const cases: readonly (readonly [text: string, problems: number])[] = [
    ['/** Ranges (docs/reference/algorithms.md, "Ranges of weights"). */', 0],
    ['/** Ranges (docs/reference/algorithms.md, "Ranges\n * of weights"). */', 0],
    ["// docs/design/run-protocol.md", 0],
    ["// docs/run.md", 1],
    ["/** As interface.md has it. */", 1],
    ['// docs/reference/algorithms.md, "Ranges of nothing"', 1],
    ["// docs/design/search.md#one-ask", 0],
    ["// docs/design/search.md#two-asks", 1],
    ["/** Symmetric (reference section\n * 4.6). */", 1],
    ['/** Means (Cochran, "Sampling Techniques", section 7.9). */', 0],
    ["/** Presets (section 7). */", 1],
    ["/** `*.md` and README.md */", 0],
  ];
  for (const [text, problems] of cases)
    test(JSON.stringify(text), () => {
      assert.equal(violationsIn("file.ts", text).length, problems);
    });
});
