import { parseArgs } from "node:util";
import Table from "cli-table3";
import { createRandomStream } from "../../../shared/search/numerics/random.js";
import { createTpeSampler } from "../../../shared/search/samplers/tpe-sampler.js";
import type { Configuration, Space } from "../../../shared/search/space/space.js";
import { median } from "./search/study.js";

const USAGE = `usage: npm run bench:ask -- [--trials 1000,5000,10000] [--parameters 50,150,300] [--asks 300] [--batch 256] [--json]

Processor time of one ask after a tell, and of a batch of asks, all on one thread; 4-way categorical parameters.`;

interface Timing {
  readonly trials: number;
  readonly parameters: number;
  /** Time to tell the sampler the results of all `trials`, before the first ask (proposal of a trial). */
  readonly tellMilliseconds: number;
  readonly firstAskMilliseconds: number;
  readonly medianMilliseconds: number;
  readonly meanMilliseconds: number;
  /** 99th percentile of the time of an ask (proposal of a trial). */
  readonly p99Milliseconds: number;
  readonly largestMilliseconds: number;
  readonly batchMilliseconds: number;
  readonly heapMegabytes: number;
}

const CHOICES = 4;

/** Processor time instead of wall time, so that the figures do not depend on other load of the machine. */
function processorMilliseconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

function space(parameters: number): Space {
  return Array.from({ length: parameters }, (_, d) => ({
    name: `layer${d}`,
    group: `layer${d}`,
    kind: "categorical" as const,
    choices: [0, 1, 2, 3],
  }));
}

function measure(trials: number, parameters: number, asks: number, batch: number): Timing {
  const random = createRandomStream(1, 0, "problem");
  const effects = Array.from({ length: parameters }, () => Math.exp(random.normal()));
  const outcomeOf = (configuration: Configuration): number =>
    effects.reduce((sum, effect, d) => sum + effect * Math.abs(Number(configuration[`layer${d}`]) - 1), 0);
  const sampler = createTpeSampler(space(parameters), { seed: 1 });
  const tell = (number: number, configuration: Configuration): void =>
    sampler.tell({
      number,
      configuration,
      state: "complete",
      values: [outcomeOf(configuration)],
      violation: 0,
      samples: 1,
    });
  let started = processorMilliseconds();
  for (let number = 0; number < trials; number++) {
    const configuration: Record<string, number> = {};
    for (let d = 0; d < parameters; d++) {
      // As in a search, later trials mostly have the best choice.
      configuration[`layer${d}`] = random.uniform() < number / trials ? 1 : random.below(CHOICES);
    }
    tell(number, configuration);
  }
  const tellMilliseconds = processorMilliseconds() - started;
  started = processorMilliseconds();
  sampler.ask(trials);
  const firstAskMilliseconds = processorMilliseconds() - started;
  const times: number[] = [];
  let next = trials;
  for (; next < trials + asks; next++) {
    started = processorMilliseconds();
    const configuration = sampler.ask(next)!;
    times.push(processorMilliseconds() - started);
    sampler.started(next, configuration);
    tell(next, configuration);
  }
  started = processorMilliseconds();
  for (let i = 0; i < batch; i++, next++) {
    sampler.started(next, sampler.ask(next)!);
  }
  return {
    trials,
    parameters,
    tellMilliseconds,
    firstAskMilliseconds,
    medianMilliseconds: median(times),
    meanMilliseconds: times.reduce((sum, time) => sum + time, 0) / times.length,
    p99Milliseconds: times.toSorted((a, b) => a - b)[Math.floor(0.99 * times.length)]!,
    largestMilliseconds: Math.max(...times),
    batchMilliseconds: processorMilliseconds() - started,
    heapMegabytes: process.memoryUsage().heapUsed / 2 ** 20 + process.memoryUsage().arrayBuffers / 2 ** 20,
  };
}

function numbers(list: string): number[] {
  return list.split(",").map(Number);
}

function main(): void {
  const { values } = parseArgs({
    options: {
      trials: { type: "string", default: "1000,5000,10000" },
      parameters: { type: "string", default: "50,150,300" },
      asks: { type: "string", default: "300" },
      batch: { type: "string", default: "256" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return;
  }
  const table = new Table({
    head: [
      "trials",
      "parameters",
      "all tells ms",
      "first ask ms",
      "ask median ms",
      "mean",
      "p99",
      "largest",
      `${values.batch} asks ms`,
      "MB",
    ],
  });
  for (const trials of numbers(values.trials)) {
    for (const parameters of numbers(values.parameters)) {
      const timing = measure(trials, parameters, Number(values.asks), Number(values.batch));
      if (values.json) {
        console.log(JSON.stringify(timing));
      } else {
        table.push(
          Object.values(timing).map((value) => (Number.isInteger(value) ? value : value.toFixed(1))),
        );
      }
    }
  }
  if (!values.json) {
    console.log(table.toString());
  }
}

main();
