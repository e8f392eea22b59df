import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { App, Duration, RemovalPolicy, Size, Stack } from "aws-cdk-lib";
import { Match, Template } from "aws-cdk-lib/assertions";
import { SnsAction } from "aws-cdk-lib/aws-cloudwatch-actions";
import { AccountRootPrincipal, Role } from "aws-cdk-lib/aws-iam";
import { Key } from "aws-cdk-lib/aws-kms";
import { Architecture } from "aws-cdk-lib/aws-lambda";
import { RetentionDays } from "aws-cdk-lib/aws-logs";
import { Bucket } from "aws-cdk-lib/aws-s3";
import { Topic } from "aws-cdk-lib/aws-sns";
import { METRIC } from "../../functions/metric-names.js";
import { QuantFleet } from "../../infra/quant-fleet.js";
import { CONTEXT, type Statement, templateOf } from "./fleet-template.js";

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
    // Lambda throttles invocations above the reservation, however many pollers there are.
    template.hasOutput("EvaluatorConcurrency", { Value: "50" });
    templateOf({ provisionedPollers: { minimum: 2, maximum: 4 }, reservedEvaluators: 50 }).hasOutput(
      "EvaluatorConcurrency",
      { Value: "40" },
    );
  });

  test("reserve concurrency for each function, including one coordinator for the Tick", () => {
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

  test("set the retention of logs and an alarm for the cost per day", () => {
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

  test("give every alarm its actions", () => {
    const stack = new Stack(new App({ context: CONTEXT }), "Told");
    const topic = Topic.fromTopicArn(stack, "Topic", "arn:aws:sns:us-east-1:123456789012:alarms");
    new QuantFleet(stack, "QuantFleet", { alarmActions: [new SnsAction(topic)], budgetUsdPerDay: 20 });
    const template = Template.fromStack(stack);
    template.resourceCountIs("AWS::CloudWatch::Alarm", 13);
    template.allResourcesProperties("AWS::CloudWatch::Alarm", { AlarmActions: [topic.topicArn] });
  });

  test("retain the data", () => {
    templateOf({ removalPolicy: RemovalPolicy.RETAIN }).allResources("AWS::S3::Bucket", {
      DeletionPolicy: "Retain",
    });
  });

  test("use a bucket with another key than the queues", () => {
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

  test("use an existing bucket and key", () => {
    const stack = new Stack(new App({ context: CONTEXT }), "Own");
    const encryptionKey = new Key(stack, "Key");
    const bucket = Bucket.fromBucketName(stack, "Bucket", "models-of-ours");
    new QuantFleet(stack, "QuantFleet", { bucket, encryptionKey });
    const template = Template.fromStack(stack);
    template.resourceCountIs("AWS::S3::Bucket", 0);
    template.allResourcesProperties("AWS::SQS::Queue", { KmsMasterKeyId: Match.anyValue() });
  });
});

test("A user of a fleet may send it messages, schedule runs, and write models and data of runs", () => {
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
