import { readFile, writeFile } from "node:fs/promises";
import { replaceBetween } from "./replace-between.js";
import { DRAWING_MARKERS, ROOMS_PAGE, roomsDrawing } from "./rooms.js";

/**
 * Rewrites the drawing of the rooms in the architecture page. Run it after imports between folders change; a test
 * checks that it is up to date.
 */
await writeFile(
  ROOMS_PAGE,
  replaceBetween(await readFile(ROOMS_PAGE, "utf8"), DRAWING_MARKERS, roomsDrawing()),
);
