import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";

const PROJECT = fileURLToPath(new URL("../../../", import.meta.url));
/** What a simulation consists of. */
const PARTS = [
  "shared",
  "functions",
  "scripts/tools/simulation/simulate.js",
  "test/run",
  "test/simulation",
  "test/functions",
];

/** A safeguard that is taken out of the compiled code. */
export interface Mutation {
  /** Below dist/. */
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

export interface Simulation {
  /** Runs `scripts/tools/simulation/simulate.js`. */
  run(
    ...args: string[]
  ): Promise<{ readonly code: number | null; readonly out: string; readonly err: string }>;
  remove(): Promise<void>;
}

/** The simulation as a program of its own, with one thing in it changed. */
export async function mutateSimulation(mutation: Mutation): Promise<Simulation> {
  const folder = await mkdtemp(join(tmpdir(), "quantfleet-mutated-"));
  const filter = (path: string): boolean => !/\.(d\.ts|js\.map|test\.js)$/.test(path);
  for (const part of PARTS)
    await cp(join(PROJECT, "dist", part), join(folder, part), { recursive: true, filter });
  await writeFile(join(folder, "package.json"), JSON.stringify({ type: "module" }));
  await symlink(join(PROJECT, "node_modules"), join(folder, "node_modules"));
  const path = join(folder, mutation.file);
  const code = await readFile(path, "utf8");
  const pieces = code.split(mutation.from);
  assert.equal(pieces.length, 2, `${mutation.file} has ${mutation.from} ${pieces.length - 1} times`);
  await writeFile(path, pieces.join(mutation.to));
  return {
    async run(...args) {
      const child = spawn(process.execPath, [join(folder, "scripts/tools/simulation/simulate.js"), ...args]);
      const ended = new Promise<number | null>((resolve) => void child.on("close", resolve));
      const [out, err, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
      return { code, out, err };
    },
    remove: () => rm(folder, { recursive: true }),
  };
}
