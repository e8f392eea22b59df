import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { Match } from "aws-cdk-lib/assertions";
import { METRIC } from "../../functions/metric-names.js";
import { packageRoot } from "../../scripts/package/package-root.js";
import { type Statement, statements, templateOf } from "./fleet-template.js";

describe("The fleet's template", () => {
  const template = templateOf();

  test("has arm64 functions of Node 24 with sufficient timeouts", () => {
    for (const timeout of [60, 900]) {
      template.hasResourceProperties("AWS::Lambda::Function", {
        Runtime: "nodejs24.x",
        Architectures: ["arm64"],
        Timeout: timeout,
        Handler: "index.handler",
      });
    }
  });

  test("has no function that Lambda would stop as a recursive loop", () => {
    const functions = template.findResources("AWS::Lambda::Function", {
      Properties: { Runtime: "nodejs24.x" },
    });
    const own = Object.entries(functions).filter(([id]) => id.startsWith("QuantFleet"));
    assert.deepEqual(
      own.map(([, { Properties }]) => Properties.RecursiveLoop),
      ["Allow", "Allow", "Allow"],
    );
  });

  test("invokes collectors and evaluators with one job, coordinators with several events, with partial batch responses", () => {
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

  test("has dead-letter queues, visibility timeouts of six function timeouts, and alarms for queues", () => {
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

  test("has alarms for errors and throttles of its functions", () => {
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
    // The fourth function of the template is CDK's, which empties the bucket when the stack is deleted.
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

  test("keeps the bucket private and encrypted, and requires TLS", () => {
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

  test("has no wildcard in the actions and resources of roles except for objects below a prefix", () => {
    for (const { Action, Resource } of statements(template)) {
      for (const action of [Action].flat()) assert.doesNotMatch(action, /\*/);
      for (const resource of [Resource].flat()) assert.notEqual(resource, "*");
    }
  });

  test("lets each function write only its own objects, and none write models or data", () => {
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

  test("ticks every minute when the coordinator, which may only enable and disable the schedule, enables it", () => {
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

  test("lets only schedules of its own group assume their roles", () => {
    const roles = Object.values(template.findResources("AWS::IAM::Role")).filter(({ Properties }) =>
      JSON.stringify(Properties).includes("scheduler.amazonaws.com"),
    );
    assert.equal(roles.length, 2);
    for (const { Properties } of roles) {
      const [{ Condition }] = Properties.AssumeRolePolicyDocument.Statement as [{ Condition: unknown }];
      assert.match(JSON.stringify(Condition), /"aws:SourceAccount".*"aws:SourceArn"/);
    }
  });

  test("shows trials per minute, the best so far, failures, the oldest message and spend", () => {
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

  test("has the outputs that the commands need", () => {
    const outputs = ["Bucket", "EventsUrl", "EventsArn", "ScheduleGroup", "ScheduleRoleArn"];
    for (const name of [...outputs, "ScheduleDeadLettersArn"]) template.hasOutput(name, {});
    template.hasOutput("MetricModules", { Value: "none" });
    template.hasOutput("Architecture", { Value: "arm64" });
    template.hasOutput("EvaluatorMegabytes", { Value: "3008" });
    template.hasOutput("EvaluatorConcurrency", { Value: "100" });
  });

  test("has the outputs that the shell example reads", () => {
    const documentation = readFileSync(join(packageRoot(), "docs/guide/fleet.md"), "utf8");
    const asked = [...documentation.matchAll(/=\$\(output (\w+)\)/g)].map(([, name = ""]) => name);
    assert.equal(asked.length, 2);
    for (const name of asked) template.hasOutput(name, {});
  });

  test("is removed with everything in it", () => {
    for (const type of ["AWS::S3::Bucket", "AWS::SQS::Queue", "AWS::Logs::LogGroup"])
      template.allResources(type, { DeletionPolicy: "Delete" });
  });

  test("has a log group for every function, because one created by Lambda would remain", () => {
    template.allResourcesProperties("AWS::Lambda::Function", {
      LoggingConfig: Match.objectLike({ LogGroup: Match.anyValue() }),
    });
    template.resourceCountIs("AWS::Lambda::Function", 4);
  });
});
