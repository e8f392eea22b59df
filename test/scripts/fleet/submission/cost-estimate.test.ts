import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { evaluatorsOf, stackOutputsSchema } from "../../../../scripts/fleet/deployment/stack-outputs.js";
import { readPriceList, runPrices } from "../../../../scripts/fleet/submission/price-list.js";
import { estimate } from "../../../../scripts/fleet/submission/submit.js";
import { UsageError } from "../../../../shared/basics/errors.js";
import { demoConfiguration } from "../../../end-to-end/steps/demo-configuration.js";

const folder = await mkdtemp(join(tmpdir(), "quantfleet-prices-"));
after(() => rm(folder, { recursive: true, force: true }));
const configuration = await demoConfiguration({ trials: 10, calibration: 10, evaluation: 128 });
const closeTo = (actual: number, expected: number): void =>
  assert.ok(Math.abs(actual - expected) <= 1e-9 * expected, `${actual} is not ${expected}`);

describe("The price list", () => {
  test("included in the package has a date, a region, sources and every price", async () => {
    const prices = await readPriceList();
    assert.match(prices.date, /^\d{4}-\d\d-\d\d$/);
    assert.ok(prices.sources.length > 0 && prices.lambda.usdPerGigabyteSecond.arm64 > 0);
    assert.ok(runPrices(prices).usdPerJob > prices.s3.usdPerWrite);
  });

  test("of another shape is refused, naming the file and the place", async () => {
    const file = join(folder, "prices.json");
    await writeFile(file, JSON.stringify({ ...(await readPriceList()), date: "yesterday" }));
    await assert.rejects(readPriceList(file), (error: Error) => {
      assert.ok(error instanceof UsageError);
      assert.match(error.message, /prices\.json is no price list \(date: /);
      return true;
    });
    await assert.rejects(readPriceList(join(folder, "nowhere.json")), UsageError);
  });
});

describe("The estimate", () => {
  test("is time times memory of all trials at the list's prices, plus the jobs' requests", async () => {
    const evaluator = { megabytes: 2_048, architecture: "x86_64" } as const;
    const prices = await readPriceList();
    const { usd, trials, jobs, evaluatorSeconds } = await estimate(
      { configuration },
      { secondsPerTrial: 100, evaluationShards: 4, statisticsShards: 2 },
      { evaluator },
    );
    assert.deepEqual([trials, jobs], [11, 11 * 4 + 2 + 1]);
    assert.ok(evaluatorSeconds > 1_100 && evaluatorSeconds < 1_200, `${evaluatorSeconds}`);
    const { usdPerGigabyteSecond, usdPerJob } = runPrices(prices);
    closeTo(usd, 2 * evaluatorSeconds * usdPerGigabyteSecond.x86_64 + jobs * usdPerJob);
  });

  test("has a notice when the stack is in another region than the prices", async () => {
    const told = async (region: string): Promise<readonly string[]> => {
      const arn = `arn:aws:sqs:${region}:123456789012:events.fifo`;
      const outputs = stackOutputsSchema.parse({
        Bucket: "runs",
        EventsUrl: `https://sqs.${region}.amazonaws.com/123456789012/events.fifo`,
        EventsArn: arn,
        ScheduleGroup: "fleet",
        ScheduleRoleArn: "arn:aws:iam::123456789012:role/schedules",
        ScheduleDeadLettersArn: arn,
        Architecture: "arm64",
        MetricModules: "none",
        EvaluatorConcurrency: "8",
        EvaluatorMegabytes: "3008",
      });
      const notices: string[] = [];
      const onNotice = (sentence: string) => void notices.push(sentence);
      await estimate(
        { configuration },
        { secondsPerTrial: 1, onNotice },
        { evaluator: evaluatorsOf(outputs) },
      );
      return notices;
    };
    assert.deepEqual(await told("us-east-1"), []);
    const [notice, ...others] = await told("eu-central-1");
    assert.deepEqual(others, []);
    assert.match(
      notice ?? "",
      /^The fleet is in eu-central-1 and the prices are those of us-east-1, .*--prices.*\.$/,
    );
  });

  test("measures the time per trial when it is not given, and assumes that a part of a processor is slower", async () => {
    const of = (megabytes: number) =>
      estimate({ configuration }, {}, { evaluator: { megabytes, architecture: "arm64" } });
    const [whole, tenth] = [await of(1_769), await of(177)];
    assert.ok(whole.secondsPerTrial > 0);
    assert.ok(tenth.secondsPerTrial > whole.secondsPerTrial);
  });
});
