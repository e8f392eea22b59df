import type { Duration, Size } from "aws-cdk-lib";
import type { QuantFleetProps } from "./quant-fleet-props.js";

/**
 * Smallest and largest allowed values of the props: limits of Lambda, and of SQS event sources for pollers
 * and concurrency.
 */
const MEMORY_MEGABYTES = [128, 10_240] as const;
const STORAGE_MEGABYTES = [512, 10_240] as const;
const CONCURRENCY = [2, 1_000] as const;
/**
 * Limits of the coordinator's reserved concurrency: its event source needs at least two concurrent
 * invocations, and the Tick's schedule one more.
 */
const COORDINATORS = [3, 1_000] as const;
const MINIMUM_POLLERS = [2, 200] as const;
const MAXIMUM_POLLERS = [2, 2_000] as const;
const LEASE_SECONDS = [1, 900] as const;

type Range = readonly [low: number, high: number];

/**
 * Checks the props when the stack is synthesized, so that errors do not appear only when AWS refuses the
 * deployment.
 *
 * @throws {RangeError | TypeError} naming the prop, its value and the allowed values
 */
export function checkProps(props: QuantFleetProps): void {
  const { provisionedPollers, evaluatorConcurrency } = props;
  if (provisionedPollers !== undefined && evaluatorConcurrency !== undefined)
    throw new TypeError(
      "evaluatorConcurrency and provisionedPollers exclude each other on AWS; leave one of them out.",
    );
  for (const name of ["coordinatorMemory", "collectorMemory", "evaluatorMemory"] as const)
    checkSize(name, props[name], MEMORY_MEGABYTES);
  checkSize("evaluatorStorage", props.evaluatorStorage, STORAGE_MEGABYTES);
  for (const name of ["evaluatorConcurrency", "collectorConcurrency"] as const)
    checkWhole(name, props[name], CONCURRENCY);
  for (const name of ["reservedEvaluators", "reservedCollectors"] as const)
    checkWhole(name, props[name], CONCURRENCY);
  checkWhole("reservedCoordinators", props.reservedCoordinators, COORDINATORS);
  checkWhole("provisionedPollers.minimum", provisionedPollers?.minimum, MINIMUM_POLLERS);
  checkWhole("provisionedPollers.maximum", provisionedPollers?.maximum, MAXIMUM_POLLERS);
  if (provisionedPollers !== undefined && provisionedPollers.minimum > provisionedPollers.maximum)
    throw new RangeError(
      `provisionedPollers.minimum is ${provisionedPollers.minimum}, above the maximum of ${provisionedPollers.maximum}; lower it.`,
    );
  checkSeconds("lease", props.lease, LEASE_SECONDS);
  if (props.budgetUsdPerDay !== undefined && !(props.budgetUsdPerDay > 0))
    throw new RangeError(`budgetUsdPerDay is ${props.budgetUsdPerDay}; give US dollars above 0.`);
}

/**
 * Refuses a reserved concurrency below the concurrency of the function's event source: Lambda would throttle
 * the excess invocations, and their messages would stay hidden until the queue's visibility timeout ends.
 *
 * @throws {RangeError}
 */
export function checkReserved(
  name: "Evaluators" | "Collectors",
  reserved: number | undefined,
  concurrency: number,
): void {
  if (reserved === undefined || reserved >= concurrency) return;
  const prop = `${name.toLowerCase().slice(0, -1)}Concurrency`;
  throw new RangeError(
    `reserved${name} is ${reserved}, below the ${prop} of ${concurrency}; reserve ${concurrency}, or make ${prop} ${reserved}.`,
  );
}

function checkSize(name: string, value: Size | undefined, range: Range): void {
  if (value !== undefined) checkNumber(name, value.toMebibytes(), range, " MB");
}

function checkSeconds(name: string, value: Duration | undefined, range: Range): void {
  if (value !== undefined) checkNumber(name, value.toSeconds(), range, " seconds");
}

function checkWhole(name: string, value: number | undefined, range: Range): void {
  if (value !== undefined) checkNumber(name, value, range, "");
}

function checkNumber(name: string, value: number, [low, high]: Range, unit: string): void {
  if (Number.isInteger(value) && value >= low && value <= high) return;
  throw new RangeError(`${name} is ${value}${unit}; give a whole number from ${low} to ${high}.`);
}
