import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type Block, blocksOf, ROOT, readPage } from "./pages.js";
import { makeReaderFolder, readerEnvironment } from "./reader-folder.js";

const PAGES = ["README.md", ...readdirSync(join(ROOT, "docs/guide")).map((page) => `docs/guide/${page}`)];

/** Blocks that are not run here, by their page and first line; everything else in the pages is. */
const NOT_RUN = [
  "README.md: npm install quantfleet",
  "README.md: npx quantfleet demo",
  "docs/guide/fleet.md: npx cdk bootstrap",
  "docs/guide/fleet.md: npm install quantfleet aws-cdk-lib constructs",
  'docs/guide/fleet.md: npx cdk deploy --app "node fleet.mjs"',
  "docs/guide/fleet.md: npm ci",
  "docs/guide/fleet.md: npx quantfleet submit node_modules/quantfleet/scripts/demo/config.json --stack QuantFleet --max-trials 4 --parallel 2 --out first",
  "docs/guide/fleet.md: npx quantfleet submit config.json --stack QuantFleet --max-cost-usd 2 --out tuned",
  "docs/guide/fleet.md: npx quantfleet status RUN --stack QuantFleet",
  'docs/guide/fleet.md: npx quantfleet schedule config.json --stack QuantFleet --cron "0 3 * * ? *" --time-zone Europe/Berlin --name nightly',
  "docs/guide/fleet.md: npx cdk destroy QuantFleet",
  "docs/guide/fleet.md: npx cdk deploy -c metricModules=within.js,other.js",
  "docs/guide/fleet.md: npx quantfleet submit config.json --stack QuantFleet --max-trials 200 --documents nightly",
  "docs/guide/fleet.md: output() { aws cloudformation describe-stacks --stack-name QuantFleet --output text --query \"Stacks[0].Outputs[?OutputKey=='$1'].OutputValue\"; }",
];

interface Outcome {
  readonly code: number | null;
  readonly output: string;
}

async function shell(script: string, folder: string): Promise<Outcome> {
  const child = spawn("sh", ["-e", "-c", script], {
    cwd: folder,
    env: readerEnvironment(folder),
    stdio: ["ignore", "pipe", "pipe"],
  });
  const chunks: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  const [code] = (await once(child, "close")) as [number | null];
  return { code, output: Buffer.concat(chunks).toString("utf8") };
}

function isRun({ language, notRun, runBy, file }: Block): boolean {
  return language === "sh" && notRun === undefined && runBy === undefined && file === undefined;
}

const commands = (block: Block): string[] => block.text.split("\n").filter((line) => line.trim() !== "");

describe("the commands of the README and the guide", { concurrency: 2 }, () => {
  for (const page of PAGES) {
    const blocks = blocksOf(readPage(page));
    test(`of ${page} do in their order what a reader expects`, async () => {
      const folder = await makeReaderFolder();
      try {
        for (const block of blocks) {
          if (block.file !== undefined) writeFileSync(join(folder, block.file), block.text);
          if (!isRun(block)) continue;
          const { code, output } = await shell(block.text, folder);
          assert.equal(code, 0, `${page}:\n${block.text}\nended with ${code}:\n${output}`);
        }
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    });
  }
});

test("what is not run is marked, and listed here", () => {
  const marked = PAGES.flatMap((page) =>
    blocksOf(readPage(page))
      .filter((block) => block.language === "sh" && !isRun(block))
      .map((block) => `${page}: ${commands(block)[0]}`),
  );
  assert.deepEqual(marked, NOT_RUN);
  for (const page of PAGES)
    for (const { runBy } of blocksOf(readPage(page)))
      assert.ok(
        runBy === undefined || existsSync(join(ROOT, runBy)),
        `${page} names ${runBy}, which is missing`,
      );
});

describe("commands that are not run", () => {
  let folder: string;
  before(async () => {
    folder = await makeReaderFolder();
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const lines = PAGES.flatMap((page) =>
    blocksOf(readPage(page))
      .filter((block) => block.language === "sh" && !isRun(block))
      .flatMap(commands),
  );

  test("exist with their options", async () => {
    const help = new Map<string, string>();
    for (const line of lines.filter((each) => each.startsWith("npx quantfleet"))) {
      const [, , command = "", next = ""] = line.split(" ");
      const subcommand = ["list", "remove"].includes(next)
        ? ` ${next}`
        : command === "schedule"
          ? " add"
          : "";
      const name = `${command}${subcommand}`;
      if (!help.has(name)) help.set(name, (await shell(`npx quantfleet ${name} --help`, folder)).output);
      const text = help.get(name)!;
      assert.match(text, new RegExp(`^Usage: quantfleet ${name}\\b`), line);
      for (const [option] of line.matchAll(/--[a-z][a-z-]*/g))
        assert.match(
          text,
          new RegExp(`^ +${option}\\b`, "m"),
          `${line}: ${option} is not an option of ${name}`,
        );
    }
    assert.ok(help.size >= 7, "the guide uses the fleet's commands");
  });

  test("of other programs are ones that these have", () => {
    const cdk = ["bootstrap", "deploy", "destroy"];
    const others = lines.filter((line) => !line.startsWith("npx quantfleet"));
    const shell =
      /^(output\(\) \{ aws cloudformation describe-stacks |[A-Z_]+=\$\(|[A-Z]+=nightly-|aws s3 cp |aws sqs send-message |jq )/;
    for (const line of others)
      if (!shell.test(line))
        assert.match(line, new RegExp(`^(npm (ci|install) ?|npx cdk (${cdk.join("|")}) ?)`), line);
    const { devDependencies } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
    const pinned = others.flatMap((line) =>
      [...line.matchAll(/aws-cdk@(\S+)/g)].map(([, version]) => version),
    );
    assert.deepEqual(pinned, [devDependencies["aws-cdk"]]);
  });
});
