import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { EvidenceRows } from "../../../shared/search/effects/evidence-rows.js";
import { encodeSpace } from "../../../shared/search/space/encoding.js";
import type { Space } from "../../../shared/search/space/space.js";
import { TrialLedger } from "../../../shared/search/trials/trial-ledger.js";

const SPACE: Space = Array.from({ length: 12 }, (_, d) => ({
  name: `p${d}`,
  group: `p${d}`,
  kind: "categorical" as const,
  choices: [0, 1],
}));

/** A study in which trials start and end in order of their numbers. */
class Course {
  readonly ledger = new TrialLedger(encodeSpace(SPACE));
  readonly rows = new EvidenceRows(this.ledger);
  #asked = 0;
  #ended = 0;

  ask(): void {
    this.ledger.started(this.#asked, configuration(this.#asked));
    this.#asked++;
  }

  end(): void {
    const number = this.#ended++;
    this.ledger.tell({
      number,
      configuration: configuration(number),
      state: "complete",
      values: [number],
      violation: 0,
      samples: 1,
    });
  }

  /** Numbers of the trials after a base of the first `refit` trials. */
  pending(refit: number): number[] {
    return this.rows.pending(refit).map(({ number }) => number);
  }

  /** Starts a trial. @returns the rows after it, and whether they begin with the rows `before` */
  askOn(before: readonly number[]): { readonly rows: number[]; readonly goOn: boolean } {
    this.ask();
    const rows = this.pending(0);
    return { rows, goOn: before.every((number, i) => rows[i] === number) };
  }
}

function configuration(number: number) {
  return Object.fromEntries(SPACE.map(({ name }, d) => [name, (number >> d) & 1]));
}

describe("the rows after a base", () => {
  test("are all finished and running trials by number, up to 256 at once", () => {
    const course = new Course();
    for (let asked = 0; asked < 400; asked++) course.ask();
    for (let ended = 0; ended < 200; ended++) course.end();
    assert.deepEqual(
      course.pending(50),
      Array.from({ length: 350 }, (_, i) => 50 + i),
    );
  });

  test("extend those of the previous ask with a thousand running, except once every 128 trials", () => {
    const course = new Course();
    for (let asked = 0; asked < 1_000; asked++) course.ask();
    let rebuilt = 0;
    let before = course.pending(0);
    for (let result = 0; result < 1_024; result++) {
      course.end();
      const { rows, goOn } = course.askOn(before);
      assert.ok(rows.length >= 128 && rows.length < 256, `${rows.length} rows`);
      assert.equal(rows.at(-1), 1_000 + result);
      if (!goOn) rebuilt++;
      before = rows;
    }
    assert.equal(rebuilt, 8);
  });

  test("are rebuilt as rarely with just over 256 running whose results arrive ten at a time", () => {
    const course = new Course();
    for (let asked = 0; asked < 260; asked++) course.ask();
    let rebuilt = 0;
    let before = course.pending(0);
    for (let batch = 0; batch < 128; batch++) {
      for (let result = 0; result < 10; result++) course.end();
      for (let asked = 0; asked < 10; asked++) {
        const { rows, goOn } = course.askOn(before);
        if (!goOn) rebuilt++;
        before = rows;
      }
    }
    assert.ok(rebuilt <= 20, `${rebuilt} times in 1,280 asks`);
  });
});
