import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Mutation, mutateSimulation } from "./mutated-simulation.js";

/** By then each is noticed. */
const SEEDS = 300;

interface Safeguard extends Mutation {
  readonly without: string;
  /** What the simulation says to it. */
  readonly broken: RegExp;
}

const SAFEGUARDS: readonly Safeguard[] = [
  {
    without: "the budget",
    file: "shared/run/reducer/stopping.js",
    from: "expectedUsd(state) > maxUsd",
    to: "false",
    broken: /was asked for although/,
  },
  {
    without: "a third of the budget",
    file: "shared/run/reducer/stopping.js",
    from: "expectedUsd(state) > maxUsd",
    to: "expectedUsd(state) > 1.5 * maxUsd",
    broken: /was asked for although/,
  },
  {
    without: "trials that the budget would allow",
    file: "shared/run/reducer/stopping.js",
    from: "expectedUsd(state) > maxUsd",
    to: "expectedUsd(state) > 0.9 * maxUsd",
    broken: /no further trial was asked for although/,
  },
  {
    without: "half of what jobs cost",
    file: "shared/run/reducer/charges.js",
    from: "const usd = computeUsd(request, billed) +",
    to: "const usd = computeUsd(request, billed) / 2 +",
    broken: /was charged, where \S+ was billed/,
  },
  {
    without: "a look at what is under way",
    file: "shared/run/reducer/charges.js",
    from: "const jobs = underWay +",
    to: "const jobs =",
    broken: /was asked for although/,
  },
  {
    without: "charging what nobody answers",
    file: "shared/run/reducer/charges.js",
    from: "if (attempts === 0)",
    to: "if (attempts >= 0)",
    broken: /was charged, where \S+ was billed/,
  },
  {
    without: "leaving commands unmarked until they are carried out",
    file: "shared/run/coordinator.js",
    from: "const saving = this.#saveChange(before, state);",
    to: `const saving = this.#saveChange(before, state === before?.state ? state
      : markCarriedOut(state, pendingCommands(state).filter((command) => !isRecord(command))));`,
    broken: /was saved, and never sent/,
  },
  {
    without: "the queue's clock for who asks from outside",
    file: "functions/coordinator/handler.js",
    from: "at: Number(attributes.SentTimestamp)",
    to: "at: event.at",
    broken: /the run began -?\d+ ms after it was asked for/,
  },
  {
    without: "asking the sampler as a trial was decided on",
    file: "shared/run/reducer/propose-trial.js",
    from: "cache.ask(state, trial)",
    to: "cache.ask(state, { ...trial, seen: state.finished.length })",
    broken: /went another way/,
  },
  {
    without: "what was still running when a trial was decided on",
    file: "shared/run/reducer/sampler-cache.js",
    from: "...state.finished.slice(seen)",
    to: "...[]",
    broken: /two trials have the same configuration/,
  },
  {
    without: "asking for what a state that is read has left open",
    file: "shared/run/coordinator.js",
    from: "await this.#proposeAll(updateBest(this.#study, loaded.state, 0))",
    to: "updateBest(this.#study, loaded.state, 0)",
    broken: /was acknowledged and is not in the state/,
  },
  {
    without: "a second attempt of what has failed",
    file: "shared/run/protocol/assignment.js",
    from: "const MAX_FAILURES = 2;",
    to: "const MAX_FAILURES = 1;",
    broken: /failed after one attempt/,
  },
  {
    without: "knowing a failure that it has counted",
    file: "shared/run/protocol/assignment.js",
    from: "if (assignment.failedAttempts.includes(attempt))",
    to: "if (false)",
    broken: /failed after one attempt/,
  },
  {
    without: "comparing the state before it is swapped",
    file: "shared/run/records/run-records.js",
    from: "toBytes(document), condition)",
    to: "toBytes(document))",
    broken:
      /was charged|was replaced or moved|is not in the state|ended or run|is evaluated again|not what its/,
  },
  {
    without: "a sampler that depends on nothing but the trials",
    file: "shared/run/reducer/sampler-cache.js",
    from: "cached.sampler.ask(number)",
    to: "cached.sampler.ask(number + 1000 * (this.asks = (this.asks ?? 0) + 1))",
    broken: /went another way|is not what its events come to/,
  },
  {
    without: "workers that stop when an extension is refused",
    file: "functions/message-lease.js",
    from: "if (!(await extend(until)))",
    to: "if (!(await extend(until)) && false)",
    broken: /was worked on for \d+ ms after another worker had claimed it/,
  },
  {
    without: "workers that are silent when their answer is refused",
    file: "functions/evaluator/handler.js",
    from: "if (!isOurs)",
    to: "if (false)",
    broken: /whose answer does not lie in the claim/,
  },
  {
    without: "a look at a job's deadline",
    file: "functions/job-handler.js",
    from: "job.deadline < started",
    to: "false",
    broken: /which was overdue/,
  },
  {
    without: "a Tick that ends with the last run",
    file: "functions/coordinator/active-runs.js",
    from: "if (hasEnded(state))",
    to: "if (false)",
    broken: /the Tick is on although no run is/,
  },
  {
    without: "events that come again when they could not be carried",
    file: "functions/coordinator/run-carriers.js",
    from: 'return "failed";',
    to: 'return "carried";',
    broken: /the run has not ended|the Tick is on|was reported before|is not in the state/,
  },
  {
    without: "a place for what nobody can read",
    file: "functions/job-handler.js",
    from: "await buryMessage(deadLetters, log, record, error.message);",
    to: "",
    broken: /was neither refused nor carried/,
  },
  {
    without: "regard to another worker's claim",
    file: "shared/run/store/claim.js",
    from: "present.claim.until > now",
    to: "false",
    broken: /is evaluated again/,
  },
];

describe("The simulation notices", () => {
  for (const { without, broken, ...mutation } of SAFEGUARDS)
    test(`a fleet without ${without}, and goes the same way again with the seed that it names`, async () => {
      const simulation = await mutateSimulation(mutation);
      try {
        const { code, err } = await simulation.run("--seeds", String(SEEDS));
        assert.match(err, broken);
        assert.equal(code, 1);
        const [, seed] = /^seed (\d+) broke an invariant/m.exec(err) ?? [];
        assert.ok(seed, err);
        const again = await simulation.run("--seeds", "1", "--from", seed);
        assert.deepEqual(again, { code: 1, out: "", err });
      } finally {
        await simulation.remove();
      }
    });
});
