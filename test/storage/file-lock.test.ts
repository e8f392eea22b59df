import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { acquireFileLock, type FileLockOptions, LockedError } from "../../shared/storage/file-lock.js";
import { currentProcess, mayBeAlive } from "../../shared/storage/process-identity.js";

const root = await mkdtemp(join(tmpdir(), "file-lock-"));
after(() => rm(root, { recursive: true, force: true }));

async function newLock(): Promise<{ path: string; options: FileLockOptions; folder: string }> {
  const folder = await mkdtemp(join(root, "locks-"));
  const drafts = join(folder, "drafts");
  await mkdir(drafts);
  return { path: join(folder, "lock"), options: { wait: false, drafts }, folder };
}

const NONCE = "6f1f9a0e-6c0b-4f57-9d4b-0d6b6f6f2a11";
/** The number of a process that has ended, and that no other process has taken since. */
const deadPid = (): number => spawnSync(process.execPath, ["-e", ""]).pid;

describe("file lock", () => {
  test("is held by one at a time", async () => {
    const { path, options } = await newLock();
    const lock = await acquireFileLock(path, options);
    await assert.rejects(acquireFileLock(path, options), LockedError);
    await lock.release();
    await (await acquireFileLock(path, options)).release();
  });

  test("passes from waiter to waiter", async () => {
    const { path, options } = await newLock();
    let holders = 0;
    await Promise.all(
      Array.from({ length: 10 }, async () => {
        const lock = await acquireFileLock(path, { ...options, wait: true });
        assert.equal(++holders, 1);
        await new Promise((resolve) => setImmediate(resolve));
        holders--;
        await lock.release();
      }),
    );
  });

  test("of a dead process is taken over by exactly one of several processes", async () => {
    const { path, options, folder } = await newLock();
    await writeFile(path, JSON.stringify({ host: hostname(), pid: deadPid(), nonce: NONCE }));
    const outcomes = await Promise.allSettled(
      Array.from({ length: 8 }, () => acquireFileLock(path, options)),
    );
    const locks = outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
    assert.equal(locks.length, 1);
    await locks[0]?.release();
    assert.deepEqual(await readdir(folder), ["drafts"]);
    assert.deepEqual(await readdir(join(folder, "drafts")), []);
  });

  test("of another host is not taken over, and the message says what to do", async () => {
    const { path, options } = await newLock();
    await writeFile(path, JSON.stringify({ host: "elsewhere", pid: 1, nonce: NONCE }));
    await assert.rejects(acquireFileLock(path, options), /process 1 on elsewhere.*remove the file/);
  });
});

describe("process identity", () => {
  test("recognizes a living process", () => assert.equal(mayBeAlive(currentProcess()), true));

  test("recognizes a dead process", () =>
    assert.equal(mayBeAlive({ host: hostname(), pid: deadPid() }), false));

  test("does not take a later process of the same number for the earlier one", () => {
    const { started, ...rest } = currentProcess();
    // Start times are available on Linux only.
    assert.equal(mayBeAlive({ ...rest, started: "1" }), started === undefined);
  });
});
