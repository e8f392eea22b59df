import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { hostname } from "node:os";
import { test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { currentProcess, mayBeAlive } from "../../shared/storage/process-identity.js";

test("this process is alive, and one with its number and another start time is not", () => {
  const self = currentProcess();
  assert.equal(mayBeAlive(self), true);
  if (self.started !== undefined) assert.equal(mayBeAlive({ ...self, started: "1" }), false);
});

test("a process of another host counts as alive", () => {
  assert.equal(mayBeAlive({ ...currentProcess(), host: `${hostname()}-other` }), true);
});

const withoutProc = !existsSync("/proc/self/stat") && "only Linux reports the state of a process";

test("a zombie process is not alive", { skip: withoutProc }, async () => {
  // The shell replaces itself by a process that never reaps its child. Only then may the child end, because a
  // shell would reap it.
  const parent = spawn("sh", ["-c", "sleep 30 & echo $!; exec sleep 30"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  try {
    const [line] = (await once(parent.stdout, "data")) as [Buffer];
    const pid = Number(line.toString());
    const status = (of: number | undefined) => readFileSync(`/proc/${of}/stat`, "latin1");
    await until(() => status(parent.pid).includes("(sleep)"));
    assert.equal(mayBeAlive({ host: hostname(), pid }), true);
    process.kill(pid, "SIGKILL");
    await until(() => / Z /.test(status(pid)));
    assert.equal(mayBeAlive({ host: hostname(), pid }), false);
  } finally {
    parent.kill("SIGKILL");
  }
});

async function until(holds: () => boolean): Promise<void> {
  for (let tries = 0; tries < 1_000 && !holds(); tries++) await wait(10);
  assert.ok(holds());
}
