import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { App, Duration, RemovalPolicy, Size, Stack, Validations } from "aws-cdk-lib";
import { Match, Template } from "aws-cdk-lib/assertions";
import { SnsAction } from "aws-cdk-lib/aws-cloudwatch-actions";
import { AccountRootPrincipal, Role } from "aws-cdk-lib/aws-iam";
import { Key } from "aws-cdk-lib/aws-kms";
import { Architecture } from "aws-cdk-lib/aws-lambda";
import { RetentionDays } from "aws-cdk-lib/aws-logs";
import { Bucket } from "aws-cdk-lib/aws-s3";
import { Topic } from "aws-cdk-lib/aws-sns";
import { AwsSolutionsChecks, ServerlessChecks } from "cdk-nag";
import { METRIC } from "../../functions/metric-names.js";
import { assembleFunction } from "../../infra/function-assets.js";
import { QuantFleet } from "../../infra/quant-fleet.js";
import type { QuantFleetProps } from "../../infra/quant-fleet-props.js";
import { QuantFleetStack } from "../../infra/stack.js";
import { packageRoot } from "../../scripts/package-root.js";

const folder = mkdtempSync(join(tmpdir(), "quantfleet-infra-"));
after(() => rmSync(folder, { recursive: true, force: true }));

/** What is bundled does not matter to a template. */
const CONTEXT = { "aws:cdk:bundling-stacks": [] };

function templateOf(fleet: QuantFleetProps = {}): Template {
  const app = new App({ context: CONTEXT });
  return Template.fromStack(new QuantFleetStack(app, "Fleet", { fleet }));
}

interface Statement {
  readonly Action: string | string[];
  readonly Resource: unknown;
  readonly Condition?: unknown;
}

function statements(template: Template): Statement[] {
  const policies = Object.values(template.findResources("AWS::IAM::Policy"));
  return policies.flatMap(({ Properties }) => Properties.PolicyDocument.Statement as Statement[]);
}

/** A folder's size, its folders' included. */
function bytesOf(path: string): number {
  if (!statSync(path).isDirectory()) return statSync(path).size;
  return readdirSync(path).reduce((sum, name) => sum + bytesOf(join(path, name)), 0);
}

describe("The fleet's template", () => {
  const template = templateOf();

  test("has arm64 functions of Node 24 with the time that they need", () => {
    for (const timeout of [60, 900]) {
      template.hasResourceProperties("AWS::Lambda::Function", {
        Runtime: "nodejs24.x",
        Architectures: ["arm64"],
        Timeout: timeout,
        Handler: "index.handler",
      });
    }
  });

  test("has no function whose part in a run Lambda would take for an endless loop", () => {
    const functions = template.findResources("AWS::Lambda::Function", {
      Properties: { Runtime: "nodejs24.x" },
    });
    const own = Object.entries(functions).filter(([id]) => id.startsWith("QuantFleet"));
    assert.deepEqual(
      own.map(([, { Properties }]) => Properties.RecursiveLoop),
      ["Allow", "Allow", "Allow"],
    );
  });

  test("hands collectors and evaluators one job each, coordinators several events, and takes partial answers", () => {
    template.hasResourceProperties("AWS::Lambda::EventSourceMapping", {
      BatchSize: 1,
      FunctionResponseTypes: ["ReportBatchItemFailures"],
      ScalingConfig: { MaximumConcurrency: 100 },
    });
    template.hasResourceProperties("AWS::Lambda::EventSourceMapping", {
      BatchSize: 10,
      FunctionResponseTypes: ["ReportBatchItemFailures"],
    });
  });

  test("buries what fails, hides what is worked on for six timeouts, and tells of both", () => {
    for (const [VisibilityTimeout, fifo] of [
      [5_400, Match.absent()],
      [360, true],
    ] as const) {
      template.hasResourceProperties("AWS::SQS::Queue", {
        VisibilityTimeout,
        FifoQueue: fifo,
        SqsManagedSseEnabled: true,
        RedrivePolicy: Match.objectLike({ maxReceiveCount: 10 }),
      });
    }
    template.resourceCountIs("AWS::SQS::Queue", 6);
    template.hasResourceProperties("AWS::SQS::Queue", {
      VisibilityTimeout: 360,
      DeduplicationScope: "messageGroup",
      FifoThroughputLimit: "perMessageGroupId",
    });
    for (const MetricName of ["ApproximateNumberOfMessagesVisible", "ApproximateAgeOfOldestMessage"])
      template.resourcePropertiesCountIs("AWS::CloudWatch::Alarm", { MetricName }, 3);
    for (const [Threshold, count] of [
      [1_800, 2],
      [600, 1],
    ] as const) {
      const waiting = { MetricName: "ApproximateAgeOfOldestMessage", Threshold };
      template.resourcePropertiesCountIs("AWS::CloudWatch::Alarm", waiting, count);
    }
  });

  test("tells when one of its functions fails or is turned away", () => {
    const alarms = Object.values(template.findResources("AWS::CloudWatch::Alarm")).filter(
      ({ Properties }) => Properties.Namespace === "AWS/Lambda",
    );
    for (const { Properties } of alarms) {
      const { Statistic, Period, Threshold, ComparisonOperator, TreatMissingData } = Properties;
      assert.deepEqual(
        [Statistic, Period, Threshold, ComparisonOperator, TreatMissingData],
        ["Sum", 300, 1, "GreaterThanOrEqualToThreshold", "notBreaching"],
      );
    }
    // The fourth function of the template is CDK's own, which empties the bucket when the stack goes.
    const functions = Object.keys(
      template.findResources("AWS::Lambda::Function", { Properties: { Runtime: "nodejs24.x" } }),
    ).filter((id) => id.startsWith("QuantFleet"));
    assert.equal(functions.length, 3);
    for (const metric of ["Errors", "Throttles"]) {
      const watched = alarms
        .filter(({ Properties }) => Properties.MetricName === metric)
        .map(({ Properties }) => Properties.Dimensions[0].Value.Ref as string);
      assert.deepEqual(watched.sort(), functions.sort());
    }
  });

  test("keeps the bucket private and encrypted, and everything to TLS", () => {
    template.hasResourceProperties("AWS::S3::Bucket", {
      PublicAccessBlockConfiguration: { BlockPublicAcls: true, RestrictPublicBuckets: true },
      BucketEncryption: Match.anyValue(),
    });
    const isTlsOnly = Match.objectLike({
      Statement: Match.arrayWith([
        Match.objectLike({ Effect: "Deny", Condition: { Bool: { "aws:SecureTransport": "false" } } }),
      ]),
    });
    template.hasResourceProperties("AWS::S3::BucketPolicy", { PolicyDocument: isTlsOnly });
    template.allResourcesProperties("AWS::SQS::QueuePolicy", { PolicyDocument: isTlsOnly });
    template.resourceCountIs("AWS::SQS::QueuePolicy", 6);
  });

  test("gives roles no action and no resource by wildcard but objects below a prefix", () => {
    for (const { Action, Resource } of statements(template)) {
      for (const action of [Action].flat()) assert.doesNotMatch(action, /\*/);
      for (const resource of [Resource].flat()) assert.notEqual(resource, "*");
    }
  });

  test("lets each function write what is its own, and nobody write models or data", () => {
    const written = Object.entries(template.findResources("AWS::IAM::Policy")).flatMap(
      ([id, { Properties }]) =>
        (Properties.PolicyDocument.Statement as Statement[])
          .filter(({ Action }) => [Action].flat().includes("s3:PutObject"))
          .map(({ Resource }) => [
            /Coordinator|Collector|Evaluator/.exec(id)?.[0],
            [Resource].flat().map((resource) => /"\/([^"]*)"/.exec(JSON.stringify(resource))?.[1]),
          ]),
    );
    assert.deepEqual(Object.fromEntries(written), {
      Coordinator: [
        "runs/*/request.json",
        "runs/*/space.json",
        "runs/*/state.json",
        "runs/*/trials/*",
        "runs/*/asked/*",
        "runs/*/workload.json",
        "active/*",
      ],
      Collector: ["statistics/*"],
      Evaluator: [
        "runs/*/claims/*",
        "runs/*/scores/*",
        "runs/*/model.onnx",
        "runs/*/model.onnx.data",
        "runs/*/finish.json",
        "statistics/*",
      ],
    });
  });

  test("ticks every minute once the coordinator, which may do nothing else to the schedule, turns it on", () => {
    template.hasResourceProperties("AWS::Scheduler::Schedule", {
      Name: "tick",
      ScheduleExpression: "rate(1 minute)",
      State: "DISABLED",
    });
    const switching = statements(template).filter(({ Action }) =>
      [Action].flat().some((action) => action.startsWith("scheduler:")),
    );
    assert.deepEqual(
      switching.map(({ Action }) => Action),
      [["scheduler:GetSchedule", "scheduler:UpdateSchedule"]],
    );
    assert.match(JSON.stringify(switching[0]?.Resource), /:schedule\/[\w-]+\/tick"/);
    const [passing, ...others] = statements(template).filter(({ Action }) => Action === "iam:PassRole");
    assert.deepEqual(others, []);
    assert.deepEqual(passing?.Condition, {
      StringEquals: { "iam:PassedToService": "scheduler.amazonaws.com" },
    });
  });

  test("lets only schedules of its own group take their roles", () => {
    const roles = Object.values(template.findResources("AWS::IAM::Role")).filter(({ Properties }) =>
      JSON.stringify(Properties).includes("scheduler.amazonaws.com"),
    );
    assert.equal(roles.length, 2);
    for (const { Properties } of roles) {
      const [{ Condition }] = Properties.AssumeRolePolicyDocument.Statement as [{ Condition: unknown }];
      assert.match(JSON.stringify(Condition), /"aws:SourceAccount".*"aws:SourceArn"/);
    }
  });

  test("shows trials a minute, the best so far, failures, the oldest message and spend", () => {
    const [dashboard, ...others] = Object.values(template.findResources("AWS::CloudWatch::Dashboard"));
    assert.deepEqual(others, []);
    const body = JSON.stringify(dashboard?.Properties.DashboardBody);
    for (const name of Object.values(METRIC)) assert.ok(body.includes(name), name);
    for (const name of [
      "ApproximateAgeOfOldestMessage",
      "ConcurrentExecutions",
      "Errors",
      "RUNNING_SUM(spend)",
    ])
      assert.ok(body.includes(name), name);
  });

  test("tells the commands what they want to know", () => {
    const outputs = ["Bucket", "EventsUrl", "EventsArn", "ScheduleGroup", "ScheduleRoleArn"];
    for (const name of [...outputs, "ScheduleDeadLettersArn"]) template.hasOutput(name, {});
    template.hasOutput("MetricModules", { Value: "none" });
    template.hasOutput("Architecture", { Value: "arm64" });
    template.hasOutput("EvaluatorMegabytes", { Value: "3008" });
    template.hasOutput("EvaluatorConcurrency", { Value: "100" });
  });

  test("has the outputs that the example of the shell asks for", () => {
    const documentation = readFileSync(join(packageRoot(), "docs", "fleet.md"), "utf8");
    const asked = [...documentation.matchAll(/=\$\(output (\w+)\)/g)].map(([, name = ""]) => name);
    assert.equal(asked.length, 2);
    for (const name of asked) template.hasOutput(name, {});
  });

  test("is removed with everything in it", () => {
    for (const type of ["AWS::S3::Bucket", "AWS::SQS::Queue", "AWS::Logs::LogGroup"])
      template.allResources(type, { DeletionPolicy: "Delete" });
  });

  test("has a log group of its own for every function, as Lambda's would be left behind", () => {
    template.allResourcesProperties("AWS::Lambda::Function", {
      LoggingConfig: Match.objectLike({ LogGroup: Match.anyValue() }),
    });
    template.resourceCountIs("AWS::Lambda::Function", 4);
  });
});

describe("The fleet's props", () => {
  test("choose architecture, concurrency and pollers", () => {
    templateOf({ architecture: Architecture.X86_64, evaluatorConcurrency: 7 }).hasResourceProperties(
      "AWS::Lambda::EventSourceMapping",
      { ScalingConfig: { MaximumConcurrency: 7 } },
    );
    const template = templateOf({ provisionedPollers: { minimum: 2, maximum: 20 }, reservedEvaluators: 50 });
    template.hasResourceProperties("AWS::Lambda::EventSourceMapping", {
      ProvisionedPollerConfig: { MinimumPollers: 2, MaximumPollers: 20 },
      ScalingConfig: Match.absent(),
    });
    template.hasResourceProperties("AWS::Lambda::Function", { ReservedConcurrentExecutions: 50 });
    // Lambda turns away whoever is above the reservation, however many pollers there are.
    template.hasOutput("EvaluatorConcurrency", { Value: "50" });
    templateOf({ provisionedPollers: { minimum: 2, maximum: 4 }, reservedEvaluators: 50 }).hasOutput(
      "EvaluatorConcurrency",
      { Value: "40" },
    );
  });

  test("keep concurrency for each function, and one coordinator of it for the Tick", () => {
    const template = templateOf({
      reservedEvaluators: 100,
      reservedCollectors: 30,
      reservedCoordinators: 10,
    });
    for (const ReservedConcurrentExecutions of [100, 30, 10])
      template.hasResourceProperties("AWS::Lambda::Function", { ReservedConcurrentExecutions });
    template.hasResourceProperties("AWS::Lambda::EventSourceMapping", {
      BatchSize: 10,
      ScalingConfig: { MaximumConcurrency: 9 },
    });
  });

  test("are refused where AWS would refuse them", () => {
    for (const [props, expected] of [
      [{ provisionedPollers: { minimum: 2, maximum: 20 }, evaluatorConcurrency: 7 }, /exclude each other/],
      [{ provisionedPollers: { minimum: 20, maximum: 3 } }, /minimum is 20, above the maximum of 3/],
      [{ provisionedPollers: { minimum: 1, maximum: 3 } }, /provisionedPollers\.minimum is 1;/],
      [
        { reservedEvaluators: 50 },
        /reservedEvaluators is 50, below the evaluatorConcurrency of 100; reserve 100, or make evaluatorConcurrency 50\./,
      ],
      [
        { reservedCollectors: 3, collectorConcurrency: 4 },
        /reservedCollectors is 3, below the collectorConcurrency of 4;/,
      ],
      [{ reservedCoordinators: 2 }, /reservedCoordinators is 2; .* from 3 to 1000/],
      [{ evaluatorConcurrency: 1 }, /evaluatorConcurrency is 1; give a whole number from 2 to 1000/],
      [{ collectorConcurrency: 2.5 }, /collectorConcurrency is 2\.5;/],
      [{ evaluatorMemory: Size.gibibytes(11) }, /evaluatorMemory is 11264 MB; .* from 128 to 10240/],
      [{ evaluatorStorage: Size.mebibytes(100) }, /evaluatorStorage is 100 MB/],
      [{ lease: Duration.minutes(16) }, /lease is 960 seconds/],
      [{ budgetUsdPerDay: 0 }, /budgetUsdPerDay is 0/],
    ] as const) {
      assert.throws(() => templateOf(props), expected);
    }
  });

  test("size the workers", () => {
    const template = templateOf({
      evaluatorMemory: Size.mebibytes(1_769),
      collectorMemory: Size.mebibytes(2_048),
      evaluatorStorage: Size.gibibytes(4),
      lease: Duration.seconds(30),
    });
    for (const MemorySize of [1_769, 2_048]) {
      template.hasResourceProperties("AWS::Lambda::Function", {
        MemorySize,
        Timeout: 900,
        EphemeralStorage: { Size: 4_096 },
        Environment: { Variables: Match.objectLike({ QUANTFLEET_LEASE_SECONDS: "30" }) },
      });
    }
    template.hasOutput("EvaluatorMegabytes", { Value: "1769" });
  });

  test("keep logs for so long, and tell of a day that costs too much", () => {
    const template = templateOf({ logRetention: RetentionDays.ONE_WEEK, budgetUsdPerDay: 20 });
    template.allResourcesProperties("AWS::Logs::LogGroup", { RetentionInDays: 7 });
    template.hasResourceProperties("AWS::CloudWatch::Alarm", {
      Namespace: "quantfleet",
      MetricName: METRIC.usdSpent,
      Period: 86_400,
      Statistic: "Sum",
      Threshold: 20,
    });
  });

  test("have every alarm tell somebody", () => {
    const stack = new Stack(new App({ context: CONTEXT }), "Told");
    const topic = Topic.fromTopicArn(stack, "Topic", "arn:aws:sns:us-east-1:123456789012:alarms");
    new QuantFleet(stack, "QuantFleet", { alarmActions: [new SnsAction(topic)], budgetUsdPerDay: 20 });
    const template = Template.fromStack(stack);
    template.resourceCountIs("AWS::CloudWatch::Alarm", 13);
    template.allResourcesProperties("AWS::CloudWatch::Alarm", { AlarmActions: [topic.topicArn] });
  });

  test("keep the data", () => {
    templateOf({ removalPolicy: RemovalPolicy.RETAIN }).allResources("AWS::S3::Bucket", {
      DeletionPolicy: "Retain",
    });
  });

  test("use a bucket that has another key than the queues", () => {
    const stack = new Stack(new App({ context: CONTEXT }), "Own");
    const [encryptionKey, bucketKey] = [new Key(stack, "Key"), new Key(stack, "BucketKey")];
    const attributes = { bucketName: "models-of-ours", encryptionKey: bucketKey };
    const bucket = Bucket.fromBucketAttributes(stack, "Bucket", attributes);
    const fleet = new QuantFleet(stack, "QuantFleet", { bucket, encryptionKey });
    const user = new Role(stack, "User", { assumedBy: new AccountRootPrincipal() });
    fleet.grantUse(user);
    const template = Template.fromStack(stack);
    const key = stack.resolve(bucketKey.keyArn) as unknown;
    for (const role of [
      ...[fleet.coordinator, fleet.collector, fleet.evaluator].map((own) => own.role),
      user,
    ])
      template.hasResourceProperties("AWS::IAM::Policy", {
        Roles: [stack.resolve(role.roleName)],
        PolicyDocument: {
          Statement: Match.arrayWith([
            Match.objectLike({
              Action: Match.arrayWith(["kms:Decrypt", "kms:GenerateDataKey*"]),
              Resource: key,
            }),
          ]),
        },
      });
  });

  test("use a bucket and a key that are there", () => {
    const stack = new Stack(new App({ context: CONTEXT }), "Own");
    const encryptionKey = new Key(stack, "Key");
    const bucket = Bucket.fromBucketName(stack, "Bucket", "models-of-ours");
    new QuantFleet(stack, "QuantFleet", { bucket, encryptionKey });
    const template = Template.fromStack(stack);
    template.resourceCountIs("AWS::S3::Bucket", 0);
    template.allResourcesProperties("AWS::SQS::Queue", { KmsMasterKeyId: Match.anyValue() });
  });
});

test("Whoever may use a fleet may send it messages, schedule runs, and write what runs work on", () => {
  const stack = new Stack(new App({ context: CONTEXT }), "Used");
  const fleet = new QuantFleet(stack, "QuantFleet");
  const user = new Role(stack, "User", { assumedBy: new AccountRootPrincipal() });
  fleet.grantUse(user);
  const [policy, ...others] = Object.values(
    Template.fromStack(stack).findResources("AWS::IAM::Policy", {
      Properties: { Roles: [stack.resolve(user.roleName)] },
    }),
  );
  assert.deepEqual(others, []);
  const allowed = policy?.Properties.PolicyDocument.Statement as Statement[];
  assert.deepEqual(
    allowed.flatMap(({ Action }) => Action).sort(),
    [
      "cloudformation:DescribeStacks",
      "iam:PassRole",
      "s3:AbortMultipartUpload",
      "s3:DeleteObject",
      "s3:GetObject",
      "s3:ListBucket",
      "s3:PutObject",
      "scheduler:CreateSchedule",
      "scheduler:DeleteSchedule",
      "scheduler:GetSchedule",
      "scheduler:ListSchedules",
      "sqs:GetQueueAttributes",
      "sqs:GetQueueUrl",
      "sqs:SendMessage",
    ].sort(),
  );
  const written = allowed.find(({ Action }) => [Action].flat().includes("s3:PutObject"));
  assert.deepEqual(
    [written?.Resource].flat().map((resource) => /"\/([^"]*)"/.exec(JSON.stringify(resource))?.[1]),
    [
      "models/*",
      "data/*",
      "restored/*",
      "schedules/*",
      "statistics/*",
      "runs/*/scores/*",
      "runs/*/workload.json",
    ],
  );
  const anywhere = allowed.filter(({ Resource }) => [Resource].flat().includes("*"));
  assert.deepEqual(
    anywhere.map(({ Action }) => Action),
    ["scheduler:ListSchedules"],
  );
  const [passing] = allowed.filter(({ Action }) => Action === "iam:PassRole");
  assert.deepEqual(passing?.Condition, {
    StringEquals: { "iam:PassedToService": "scheduler.amazonaws.com" },
  });
  const schedules = allowed.filter(({ Action }) => [Action].flat().includes("scheduler:CreateSchedule"));
  assert.match(JSON.stringify(schedules.map(({ Resource }) => Resource)), /\/run-\*"/);
});

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
  test(`with ${name} cdk-nag has nothing to say but what is acknowledged with a reason`, () => {
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

for (const architecture of ["arm64", "x64"] as const) {
  test(`an ${architecture} evaluator has that architecture's files only, under 60 MB`, () => {
    const out = join(folder, architecture);
    assembleFunction("evaluator", architecture, out);
    const binaries = join(out, "node_modules", "onnxruntime-node", "bin", "napi-v6");
    assert.deepEqual(readdirSync(binaries), ["linux"]);
    assert.deepEqual(readdirSync(join(binaries, "linux")), [architecture]);
    assert.ok(bytesOf(out) < 60e6);
  });
}

test("a coordinator has no ONNX Runtime", () => {
  const out = join(folder, "coordinator");
  assembleFunction("coordinator", "arm64", out);
  assert.deepEqual(readdirSync(out).sort(), ["chunks", "index.js", "package.json"]);
  for (const file of ["index.js", ...readdirSync(join(out, "chunks")).map((chunk) => join("chunks", chunk))])
    assert.doesNotMatch(readFileSync(join(out, file), "utf8"), /onnxruntime-node/, file);
});
