import { AssetHashType, Duration, type RemovalPolicy, Size } from "aws-cdk-lib";
import type { IAlarmAction } from "aws-cdk-lib/aws-cloudwatch";
import { Role, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import {
  Architecture,
  Code,
  Function as LambdaFunction,
  LoggingFormat,
  RecursiveLoop,
  Runtime,
  Tracing,
} from "aws-cdk-lib/aws-lambda";
import { LogGroup, type RetentionDays } from "aws-cdk-lib/aws-logs";
import { Construct } from "constructs";
import type { BundledModule } from "../shared/metrics/module-bundle.js";
import { addAlarm } from "./fleet-alarm.js";
import { assembleFunction, bundleFolder, type FunctionName } from "./function-assets.js";
import { placeMetricModules } from "./metric-modules.js";
import { suppressFunctionRules } from "./nag-suppressions.js";

interface FleetFunctionProps {
  readonly name: FunctionName;
  readonly description: string;
  readonly architecture: Architecture;
  readonly metricModules: readonly BundledModule[];
  readonly memory: Size;
  readonly timeout: Duration;
  readonly storage?: Size;
  readonly reservedConcurrency?: number;
  readonly environment: Readonly<Record<string, string>>;
  readonly logRetention: RetentionDays;
  readonly removalPolicy: RemovalPolicy;
  readonly alarmActions: readonly IAlarmAction[];
}

const LAMBDA_STORAGE = Size.mebibytes(512);
/** Period of the alarms: long enough for repeated errors of one message to raise one alarm. */
const ALARM_PERIOD = Duration.minutes(5);

/** A Lambda function with alarms and its own role, which initially may only write its log. */
export class FleetFunction extends Construct {
  readonly function: LambdaFunction;
  readonly role: Role;

  constructor(scope: Construct, id: string, props: FleetFunctionProps) {
    super(scope, id);
    const { name, architecture, reservedConcurrency } = props;
    const logGroup = new LogGroup(this, "Log", {
      retention: props.logRetention,
      removalPolicy: props.removalPolicy,
    });
    this.role = new Role(this, "Role", { assumedBy: new ServicePrincipal("lambda.amazonaws.com") });
    logGroup.grantWrite(this.role);
    this.function = new LambdaFunction(this, "Function", {
      description: props.description,
      runtime: Runtime.NODEJS_24_X,
      architecture,
      code: codeOf(name, architecture, props.metricModules),
      handler: "index.handler",
      role: this.role,
      memorySize: props.memory.toMebibytes(),
      timeout: props.timeout,
      ephemeralStorageSize: props.storage ?? LAMBDA_STORAGE,
      logGroup,
      loggingFormat: LoggingFormat.JSON,
      tracing: Tracing.DISABLED,
      // Events cause jobs and jobs cause events until a run has ended, which Lambda would take for a
      // recursive loop.
      recursiveLoop: RecursiveLoop.ALLOW,
      environment: { ...props.environment },
      ...(reservedConcurrency === undefined ? {} : { reservedConcurrentExecutions: reservedConcurrency }),
    });
    suppressFunctionRules(this.function);
    // Partial batch failures do not count as errors: the alarm is for invocations that end without a
    // response.
    addAlarm(this, "Errors", {
      description: `The ${name} died, ran out of memory or time, or threw.`,
      metric: this.function.metricErrors({ period: ALARM_PERIOD }),
      threshold: 1,
      actions: props.alarmActions,
    });
    addAlarm(this, "Throttles", {
      description: `Lambda turned the ${name} away: the account's concurrency, or what is reserved, was used up.`,
      metric: this.function.metricThrottles({ period: ALARM_PERIOD }),
      threshold: 1,
      actions: props.alarmActions,
    });
  }
}

/** The deployment package of a function, assembled locally without Docker or network. */
function codeOf(
  name: FunctionName,
  architecture: Architecture,
  metricModules: readonly BundledModule[],
): Code {
  return Code.fromAsset(bundleFolder(name), {
    // The hash is of the output, because the same bundle becomes another asset with another architecture or
    // ONNX Runtime.
    assetHashType: AssetHashType.OUTPUT,
    bundling: {
      image: Runtime.NODEJS_24_X.bundlingImage,
      local: {
        tryBundle(out) {
          assembleFunction(name, architecture.name === Architecture.ARM_64.name ? "arm64" : "x64", out);
          placeMetricModules(metricModules, out);
          return true;
        },
      },
    },
  });
}
