import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { packageRoot } from "../../package/package-root.js";

const ROOT = packageRoot();

export const ROOMS_PAGE = "docs/design/architecture.md";

/** The marker lines around the drawing of the rooms in the architecture page. */
export const DRAWING_MARKERS = ["<!-- drawing of the rooms -->", "<!-- end of the drawing -->"] as const;

/** Folders whose source files must each lie in a room (group of folders that the architecture page lists). */
export const SOURCE_FOLDERS = ["shared", "functions", "infra", "scripts"] as const;

/**
 * The rooms in their order, each a list of folders, as the architecture page has them; a folder with `/**`
 * includes all below it.
 */
export function documentedRooms(): string[][] {
  const text = readFileSync(join(ROOT, ROOMS_PAGE), "utf8");
  const section = text.split("## Rooms\n")[1]?.split("\n## ")[0] ?? "";
  return [...section.matchAll(/^\d+\. ([^:\n]+):/gm)].map(([, folders]) =>
    [...folders!.matchAll(/`([^`]+)`/g)].map(([, folder]) => folder!),
  );
}

export function sourceFiles(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts"))
    .map((path) => join(folder, path));
}

/** The modules of the project that a file imports or exports from, types included. */
export function importsOf(file: string): string[] {
  const text = readFileSync(join(ROOT, file), "utf8");
  return [...text.matchAll(/(?:from|import|import\() ?"(\.[^"]+)\.js"/g)].map(([, path]) =>
    normalize(`${join(dirname(file), path!)}.ts`),
  );
}

/** The rooms as a Mermaid flowchart of their folders: an arrow for each import that does not follow from others. */
export function roomsDrawing(): string {
  const folders = [...new Set(documentedRooms().flat().filter(isDrawn).map(drawnFolder))];
  const uses = new Map<string, Set<string>>(folders.map((folder) => [folder, new Set()]));
  for (const file of SOURCE_FOLDERS.flatMap(sourceFiles).filter(isDrawn)) {
    const from = drawnFolder(dirname(file));
    for (const imported of importsOf(file).filter(isDrawn)) {
      const to = drawnFolder(dirname(imported));
      if (to !== from && uses.has(to)) uses.get(from)?.add(to);
    }
  }
  const reaches = (from: string, to: string): boolean =>
    [...uses.get(from)!].some((next) => next === to || reaches(next, to));
  const arrows = folders.flatMap((from) =>
    [...uses.get(from)!]
      .filter((to) => ![...uses.get(from)!].some((other) => other !== to && reaches(other, to)))
      .sort()
      .map((to) => `    ${nodeName(from)} --> ${nodeName(to)}`),
  );
  const nodes = folders.map((folder) => `    ${nodeName(folder)}["${folder}"]`);
  return ["```mermaid", "flowchart TD", ...nodes.reverse(), ...arrows.reverse(), "```"].join("\n");
}

/** Whether a folder is drawn: tests and tools use whatever they need, so they are left out. */
function isDrawn(path: string): boolean {
  return !/^(test|scripts\/tools|docs)\b/.test(path);
}

/**
 * The folder that stands for another in the drawing, `shared/onnx` for `shared/onnx/model`, as one drawing of all
 * folders would be unreadable.
 */
function drawnFolder(folder: string): string {
  const [top, second] = folder.split("/");
  return second === undefined || top === "functions" ? top! : `${top}/${second}`;
}

function nodeName(folder: string): string {
  return folder.replace("/", "_");
}
