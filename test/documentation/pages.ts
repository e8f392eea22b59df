import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../../scripts/package/package-root.js";

export const ROOT = packageRoot();

/** A fenced block of a page with what the comment before it says. */
export interface Block {
  readonly language: string;
  readonly text: string;
  /** `<!-- file: NAME -->`: the block is that file of the reader's folder. */
  readonly file?: string;
  /** `<!-- not run: REASON -->` */
  readonly notRun?: string;
  /** `<!-- run by TEST -->` */
  readonly runBy?: string;
}

/** Every Markdown page of the project, as paths from its root. */
export function allPages(): string[] {
  const below = (folder: string): string[] =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
      .filter((path) => path.endsWith(".md") && !path.includes("node_modules"))
      .map((path) => join(folder, path));
  return ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", ...below("docs"), ...below("examples")].sort();
}

export function readPage(page: string): string {
  return readFileSync(join(ROOT, page), "utf8");
}

const FENCE = /^( *)```(\w*)\n([\s\S]*?)^\1```$/gm;
const MARK = /<!-- (file: |not run: |run by )([^>]*?) -->\s*$/;

/** The fenced blocks of a page in their order. */
export function blocksOf(text: string): Block[] {
  return [...text.matchAll(FENCE)].map((match) => {
    const [, indent = "", language = "", body = ""] = match;
    const mark = MARK.exec(text.slice(0, match.index));
    const block = { language, text: body.replaceAll(new RegExp(`^${indent}`, "gm"), "") };
    switch (mark?.[1]) {
      case "file: ":
        return { ...block, file: mark[2]! };
      case "not run: ":
        return { ...block, notRun: mark[2]! };
      case "run by ":
        return { ...block, runBy: mark[2]! };
      default:
        return block;
    }
  });
}

/** The page without fenced blocks and code spans, in which links and headings are only examples. */
export function proseOf(text: string): string {
  return text.replaceAll(FENCE, "").replaceAll(/`[^`\n]*`/g, "");
}

/** The headings of a page, without their marks. */
export function headingsOf(text: string): string[] {
  return [...text.replaceAll(FENCE, "").matchAll(/^#{1,6} (.+)$/gm)].map(([, heading]) =>
    heading!.replaceAll("`", "").trim(),
  );
}

/** As GitHub makes anchors of headings. */
export function anchorOf(heading: string): string {
  return heading
    .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1")
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
    .replaceAll(/\s/g, "-");
}
