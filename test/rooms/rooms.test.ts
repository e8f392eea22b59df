import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
import { packageRoot } from "../../scripts/package/package-root.js";
import {
  documentedRooms,
  importsOf,
  ROOMS_PAGE,
  roomsDrawing,
  SOURCE_FOLDERS,
  sourceFiles,
} from "../../scripts/tools/documentation/rooms.js";

const ROOT = packageRoot();
const MOST_FILES = 20;

/** Groups of files that import each other, directly or by way of others (Tarjan's strongly connected components). */
function findCircles(imports: ReadonlyMap<string, readonly string[]>): string[][] {
  const order = new Map<string, number>();
  const lowest = new Map<string, number>();
  const stack: string[] = [];
  const circles: string[][] = [];
  const visit = (file: string): void => {
    order.set(file, order.size);
    lowest.set(file, order.get(file)!);
    stack.push(file);
    for (const next of imports.get(file) ?? []) {
      if (!order.has(next)) visit(next);
      if (stack.includes(next)) lowest.set(file, Math.min(lowest.get(file)!, lowest.get(next)!));
    }
    if (lowest.get(file) !== order.get(file)) return;
    const circle = stack.splice(stack.indexOf(file));
    if (circle.length > 1) circles.push(circle);
  };
  for (const file of imports.keys()) if (!order.has(file)) visit(file);
  return circles;
}

describe("the rooms", () => {
  const rooms = documentedRooms();
  const files = [...SOURCE_FOLDERS, "test"].flatMap(sourceFiles);
  const imports = new Map(files.map((file) => [file, importsOf(file)]));

  const isIn = (file: string, folder: string): boolean =>
    folder.endsWith("/**") ? file.startsWith(folder.slice(0, -2)) : dirname(file) === folder;
  const roomOf = (file: string): number =>
    rooms.findIndex((folders) => folders.some((folder) => isIn(file, folder)));

  test("are listed once, and each holds files", () => {
    assert.ok(rooms.length > 30, `${ROOMS_PAGE} lists ${rooms.length} rooms`);
    const folders = rooms.flat();
    assert.deepEqual(
      folders.filter((folder, position) => folders.indexOf(folder) !== position),
      [],
    );
    assert.deepEqual(
      folders.filter((folder) => !files.some((file) => isIn(file, folder))),
      [],
    );
  });

  test("hold every file", () => {
    assert.deepEqual(
      files.filter((file) => roomOf(file) < 0),
      [],
      `files outside of the rooms that ${ROOMS_PAGE} lists`,
    );
  });

  test("use only rooms before them", () => {
    const upwards = files.flatMap((file) =>
      imports
        .get(file)!
        .filter((imported) => existsSync(join(ROOT, imported)) && roomOf(imported) > roomOf(file))
        .map((imported) => `${file} imports ${imported}`),
    );
    assert.deepEqual(upwards, []);
  });

  test("have no circles of imports", () => {
    assert.deepEqual(findCircles(imports), []);
  });

  test("are drawn as the sources import from each other", () => {
    assert.ok(
      readFileSync(join(ROOT, ROOMS_PAGE), "utf8").includes(roomsDrawing()),
      "run `node dist/scripts/tools/documentation/write-rooms-drawing.js`",
    );
  });

  test(`hold at most ${MOST_FILES} files each, tests as well`, () => {
    const counts = new Map<string, number>();
    for (const file of files) counts.set(dirname(file), (counts.get(dirname(file)) ?? 0) + 1);
    assert.deepEqual(
      [...counts].filter(([, count]) => count > MOST_FILES),
      [],
    );
  });
});

test("a circle of imports is found", () => {
  const circles = findCircles(
    new Map([
      ["a", ["b"]],
      ["b", ["c"]],
      ["c", ["b"]],
      ["d", ["a"]],
    ]),
  );
  assert.deepEqual(circles, [["b", "c"]]);
});
