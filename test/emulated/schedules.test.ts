import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { status } from "../../scripts/fleet/following/runs.js";
import { CommandThread } from "../end-to-end/steps/command.js";
import { demoConfiguration } from "../end-to-end/steps/demo-configuration.js";
import { type EmulatedFleet, startEmulatedFleet } from "./emulated-fleet.js";
import { receiveDeadLetters, runEnded } from "./observed-run.js";

const SIZE = { trials: 2, calibration: 10, evaluation: 64 };
const TIMEOUT_MILLISECONDS = 120_000;

const folder = await mkdtemp(join(tmpdir(), "quantfleet-schedules-"));
/** An absolute path, because the commands' thread has another working directory. */
const CONFIG = join(folder, "config.json");
let fleet: EmulatedFleet;
let commands: CommandThread;

before(async () => {
  fleet = await startEmulatedFleet(2);
  Object.assign(process.env, fleet.environment);
  await writeFile(CONFIG, JSON.stringify(await demoConfiguration(SIZE)));
  commands = new CommandThread(folder);
});
after(async () => {
  await commands?.close();
  await fleet?.close();
  await rm(folder, { recursive: true, force: true });
});

const schedule = (...argv: string[]) => commands.run(["schedule", ...argv, "--stack", fleet.stack]);
const group = (): string => fleet.outputs.ScheduleGroup ?? "";

describe("Scheduled runs", { timeout: TIMEOUT_MILLISECONDS }, () => {
  test("are added, listed and removed from the command line", async () => {
    const nightly = [CONFIG, "--cron", "0 3 * * ? *", "--time-zone", "Europe/Berlin"];
    const added = await schedule(...nightly, "--name", "nightly");
    assert.deepEqual(
      { code: added.code, stdout: added.stdout },
      { code: 0, stdout: "nightly\n" },
      added.stderr,
    );
    const named = (await schedule("add", CONFIG, "--rate", "12 hours")).stdout.trim();
    assert.match(named, /^[0-9a-f]{12}-[0-9a-z]+$/);
    await schedule(CONFIG, "--rate", "1 day", "--name", "daily");
    const lines = (await schedule("list")).stdout.trim().split("\n").sort();
    assert.deepEqual(
      lines,
      [
        "daily\trate(1 day)\tUTC",
        "nightly\tcron(0 3 * * ? *)\tEurope/Berlin",
        `${named}\trate(12 hours)\tUTC`,
      ].sort(),
    );
    const again = await schedule(...nightly, "--name", "nightly");
    assert.deepEqual([again.code, /already has a schedule "nightly"/.test(again.stderr)], [2, true]);
    for (const name of ["daily", named]) assert.equal((await schedule("remove", name)).code, 0);
    assert.equal((await schedule("list")).stdout, "nightly\tcron(0 3 * * ? *)\tEurope/Berlin\n");
    const unknown = await schedule("remove", "daily");
    assert.equal(unknown.code, 2);
    assert.match(unknown.stderr, /no schedule "daily"/);
  });

  test("are refused in one sentence when the time is invalid", async () => {
    for (const [argv, expected] of [
      [["--cron", "0 3 * *"], /does not take "cron\(0 3 \* \*\)"/],
      [["--rate", "0 days"], /does not take "rate\(0 days\)"/],
      [["--rate", "1 day", "--time-zone", "Middle-earth"], /time zone "Middle-earth"/],
      [["--rate", "1 day", "--name", "a.b"], /Schedule name "a\.b" is none/],
      [["--rate", "1 day", "--cron", "0 3 * * ? *"], /has both/],
      [[], /has neither/],
    ] as const) {
      const refused = await schedule(CONFIG, ...argv);
      assert.equal(refused.code, 2, refused.stderr);
      assert.match(refused.stderr, expected);
    }
    assert.match((await schedule("list")).stdout, /^nightly\t[^\n]*\n$/);
  });

  test("start one run each time they are due, also with repeated deliveries, with the Tick on meanwhile", async () => {
    const first = new Date("2026-11-23T02:00:00Z");
    const second = new Date("2026-11-24T02:00:00Z");
    for (const due of [first, first, second])
      assert.ok(await fleet.scheduler.fire(group(), "run-nightly", due));
    for (const runId of ["nightly-20261123T020000Z", "nightly-20261124T020000Z"]) {
      await runEnded(fleet, runId);
      const { phase, trialsDone } = await status(fleet, runId);
      assert.deepEqual({ phase, trialsDone }, { phase: "done", trialsDone: SIZE.trials + 1 });
    }
    const active: string[] = [];
    for await (const key of fleet.store.list("active/")) active.push(key);
    assert.deepEqual(active, []);
  });

  test("that were removed while a message was under way are refused", async () => {
    const message = {
      version: 1,
      type: "RunScheduled",
      schedule: "gone",
      scheduledTime: "2026-11-23T02:00:00Z",
    };
    const body = JSON.stringify(message);
    await fleet.events.send([{ body, group: "gone", deduplication: "gone" }]);
    assert.deepEqual(await receiveDeadLetters(fleet.deadEvents, 1), [body]);
  });

  test("leave the Tick off when they have ended", async () => {
    while (fleet.scheduler.schedule(group(), "tick")?.State !== "DISABLED")
      await new Promise((resolve) => setTimeout(resolve, 100));
  });
});
