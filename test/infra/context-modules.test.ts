import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { metricModulesOf } from "../../infra/context-modules.js";
import { ConfigurationError } from "../../shared/basics/errors.js";
import { bundleModule } from "../../shared/metrics/module-bundle.js";
import { listOfModules } from "../../shared/metrics/module-location.js";

const folder = mkdtempSync(join(tmpdir(), "quantfleet-context-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const [within, other] = ["within.js", "other.js"].map((name, i) => {
  const file = join(folder, name);
  writeFileSync(file, `export const score = () => [${i}];`);
  return file;
}) as [string, string];

describe("Metric modules in the context of CDK", () => {
  test("are files separated by commas, or a list, or none", () => {
    assert.deepEqual(metricModulesOf(undefined), []);
    assert.deepEqual(metricModulesOf(within), [within]);
    assert.deepEqual(metricModulesOf(`${within}, ${other}`), [within, other]);
    assert.deepEqual(metricModulesOf([other, within]), [other, within]);
  });

  test("are refused with the reason", () => {
    for (const [context, expected] of [
      ["", /is "", which has something in it that is no file's name; give files/],
      [`${within},`, /something in it that is no file's name/],
      [[within, 7], /something in it that is no file's name/],
      [[], /names no file/],
      [true, /is true, which names no file/],
      [`${within},nowhere.js`, /names "nowhere\.js", which is no file; give files with commas/],
      [folder, /which is no file/],
    ] as const)
      assert.throws(
        () => metricModulesOf(context),
        (error: unknown) => error instanceof ConfigurationError && expected.test(error.message),
      );
  });

  test("are deployed by the app of cdk.json, or refused in one sentence", async () => {
    const app = fileURLToPath(new URL("../../infra/app.js", import.meta.url));
    const synthesize = (metricModules: unknown) => {
      const outdir = join(folder, "out");
      const context = { metricModules, "aws:cdk:bundling-stacks": [] };
      const env = { ...process.env, CDK_OUTDIR: outdir, CDK_CONTEXT_JSON: JSON.stringify(context) };
      return promisify(execFile)(process.execPath, [app], { env, cwd: folder }).then(() => outdir);
    };
    const outdir = await synthesize("within.js,other.js");
    const template = readdirSync(outdir).find((name) => name.endsWith(".template.json")) ?? "";
    const { Outputs } = JSON.parse(readFileSync(join(outdir, template), "utf8"));
    const hashes = [within, other].map((file) => bundleModule(file).hash);
    assert.equal(Outputs.MetricModules.Value, listOfModules(hashes));
    await assert.rejects(synthesize("nowhere.js"), (error: Error & { code?: number; stderr?: string }) => {
      assert.equal(error.code, 1);
      assert.match(error.stderr ?? "", /^Context metricModules is "nowhere\.js", which .*\.\n$/);
      return true;
    });
  });
});
