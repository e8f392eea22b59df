import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { App, Stack, Validations } from "aws-cdk-lib";
import { Key } from "aws-cdk-lib/aws-kms";
import { AwsSolutionsChecks, ServerlessChecks } from "cdk-nag";
import { QuantFleetStack } from "../../infra/stack.js";
import { CONTEXT } from "./fleet-template.js";

const folder = mkdtempSync(join(tmpdir(), "quantfleet-infra-"));
after(() => rmSync(folder, { recursive: true, force: true }));

interface NagReport {
  readonly pluginReports: readonly {
    readonly conclusion: string;
    readonly violations: readonly unknown[];
    readonly suppressedViolations: readonly { readonly ruleName: string; readonly reason: string }[];
  }[];
}

for (const [name, isEncrypted] of [
  ["the keys of S3 and SQS", false],
  ["a key of one's own", true],
] as const) {
  test(`with ${name} cdk-nag reports nothing but suppressed rules with reasons`, () => {
    const outdir = join(folder, `nag-${isEncrypted}`);
    const app = new App({ context: CONTEXT, outdir });
    const keys = new Stack(app, "Keys");
    const encryptionKey = new Key(keys, "Key", { enableKeyRotation: true });
    new QuantFleetStack(app, "Fleet", { fleet: isEncrypted ? { encryptionKey } : {} });
    Validations.of(app).addPlugins(new AwsSolutionsChecks(app), new ServerlessChecks(app));
    app.synth();
    const file = join(outdir, "validation-report.json");
    const { pluginReports } = JSON.parse(readFileSync(file, "utf8")) as NagReport;
    assert.equal(pluginReports.length, 2);
    for (const { conclusion, violations, suppressedViolations } of pluginReports) {
      assert.deepEqual(violations, []);
      assert.equal(conclusion, "success");
      assert.ok(suppressedViolations.length > 0);
      for (const { ruleName, reason } of suppressedViolations) assert.ok(reason.length > 20, ruleName);
    }
  });
}
