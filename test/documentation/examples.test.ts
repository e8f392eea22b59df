import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
import { promisify } from "node:util";
import { ROOT } from "./pages.js";
import { readerEnvironment } from "./reader-folder.js";

const EXAMPLES = join(ROOT, "examples");
const LARGEST_FILE = 20_000;

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly scripts: { readonly start: string };
}

/** A copy of an example with the packages that it names, and no others, as `npm install` would leave it. */
function installedExample(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `quantfleet-example-${name}-`));
  cpSync(join(EXAMPLES, name), folder, { recursive: true });
  const { dependencies } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Manifest;
  for (const dependency of Object.keys(dependencies)) {
    const link = join(folder, "node_modules", dependency);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(dependency === "quantfleet" ? ROOT : join(ROOT, "node_modules", dependency), link);
  }
  const bin = join(folder, "node_modules", ".bin");
  mkdirSync(bin);
  symlinkSync(join(ROOT, "dist/scripts/quantfleet.js"), join(bin, "quantfleet"));
  return folder;
}

/** Runs `npm start` as npm does it, and gives what it prints. */
async function start(folder: string): Promise<string> {
  const { scripts } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Manifest;
  const { stdout } = await promisify(execFile)("sh", ["-c", scripts.start], {
    cwd: folder,
    env: readerEnvironment(folder),
  });
  return stdout;
}

async function withExample(name: string, check: (folder: string, output: string) => void): Promise<void> {
  const folder = installedExample(name);
  try {
    check(folder, await start(folder));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Result {
  readonly float: { readonly metric: { readonly value: number }; readonly bytes: number };
  readonly best: {
    readonly metric: { readonly value: number };
    readonly bytes: number;
    readonly withinBound: boolean;
    readonly quantizedShare: { readonly byCount: number };
  };
}

function readResult(folder: string): Result {
  return JSON.parse(readFileSync(join(folder, "tuned/result.json"), "utf8")) as Result;
}

describe("the examples", { concurrency: 2 }, () => {
  test("images: the float model tells the stripes apart, and the best is quantized within the bound", async () => {
    await withExample("images", (folder, output) => {
      const { float, best } = readResult(folder);
      assert.ok(float.metric.value > 0.9, `float has ${float.metric.value}`);
      assert.ok(best.withinBound && best.quantizedShare.byCount > 0);
      assert.match(output, /^best: accuracy /m);
    });
  });

  test("transformer: a model that agrees with the float one is found and scored again alike", async () => {
    await withExample("transformer", (folder, output) => {
      const { float, best } = readResult(folder);
      assert.ok(best.withinBound && best.bytes < float.bytes);
      assert.ok(output.includes(String(best.metric.value)), "evaluate gives the metric of result.json");
    });
  });

  test("cdk: the template holds a fleet, and its outputs are the stack's", async () => {
    await withExample("cdk", (folder) => {
      const template = JSON.parse(
        readFileSync(join(folder, "cdk.out/Compression.template.json"), "utf8"),
      ) as {
        readonly Resources: Readonly<Record<string, { readonly Type: string }>>;
        readonly Outputs: Readonly<Record<string, unknown>>;
      };
      const types = Object.values(template.Resources).map(({ Type }) => Type);
      assert.ok(types.filter((type) => type === "AWS::Lambda::Function").length >= 3);
      assert.ok(types.includes("AWS::SQS::Queue") && types.includes("AWS::Scheduler::Schedule"));
      assert.ok(["Bucket", "EventsUrl"].every((output) => output in template.Outputs));
    });
  });

  test("hold no large files", () => {
    const large = readdirSync(EXAMPLES, { recursive: true, encoding: "utf8" }).filter(
      (path) => statSync(join(EXAMPLES, path)).size > LARGEST_FILE,
    );
    assert.deepEqual(large, []);
  });
});
