/**
 * Makes package-lock.json install alike with npm 10, 11 and 12 and with no host but the package registry.
 * Run after every change of dependencies (`npm run lock`); with --check it only tells whether it would
 * change anything (part of `npm run lint`).
 *
 * 1. When a registry cannot serve an optional dependency (a binary for another platform, not mirrored), npm
 *    drops it from the lock file without a word. npm 10 installs from such a lock; `npm ci` of npm 11 and 12
 *    refuses it ("Missing: … from lock file"). The entries are added: one without an integrity hash is
 *    valid, it pins the version, and its platform fields keep npm from fetching it where it does not belong.
 * 2. onnxruntime-node's postinstall script downloads CUDA from a host of its own. npm 11.19 and newer deny it
 *    by `allowScripts` in package.json, older ones do not know that field; but all of them run a locked
 *    package's install scripts only if its entry says that there are any.
 */
import { readFileSync, writeFileSync } from "node:fs";

const LOCK = new URL("../../../package-lock.json", import.meta.url);

const OPERATING_SYSTEMS = [
  "aix",
  "android",
  "darwin",
  "freebsd",
  "linux",
  "openbsd",
  "openharmony",
  "sunos",
  "win32",
];
const PROCESSORS = ["arm", "arm64", "ia32", "loong64", "mips64el", "ppc64", "riscv64", "s390x", "x64"];

/** The platform fields that the naming scheme of prebuilt binaries (`…-linux-arm64-musl`) gives. */
function platformOf(name) {
  const words = name.split("/").at(-1).split("-");
  const os = words.filter((word) => OPERATING_SYSTEMS.includes(word));
  const cpu = words.filter((word) => PROCESSORS.includes(word));
  if (os.length !== 1 || cpu.length !== 1) {
    throw new Error(
      `Optional dependency "${name}" is missing from package-lock.json and its name tells no platform: ` +
        "add its entry by hand.",
    );
  }
  if (os[0] !== "linux") return { cpu, os };
  const libc = words.some((word) => word.startsWith("musl")) ? ["musl"] : ["glibc"];
  return { cpu, libc, os };
}

/** True if Node's lookup from `location` upwards finds `name` among the locked packages. */
function isLocked(packages, location, name) {
  for (let folder = location; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf("/node_modules/")))) {
    if (`${folder}/node_modules/${name}`.replace(/^\//, "") in packages) return true;
    if (folder === "") return false;
  }
}

const before = readFileSync(LOCK, "utf8");
const lock = JSON.parse(before);
for (const [location, { optionalDependencies = {}, dev }] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(optionalDependencies)) {
    if (isLocked(lock.packages, location, name)) continue;
    const { cpu, libc, os } = platformOf(name);
    lock.packages[`node_modules/${name}`] = { version, cpu, dev, libc, optional: true, os };
  }
}
delete lock.packages["node_modules/onnxruntime-node"].hasInstallScript;
lock.packages = Object.fromEntries(
  Object.entries(lock.packages).sort(([a], [b]) => a.localeCompare(b, "en")),
);

const after = `${JSON.stringify(lock, null, 2)}\n`;
if (process.argv.includes("--check")) {
  if (before !== after) {
    console.error("package-lock.json is not what npm 10, 11 and 12 alike install from: run `npm run lock`.");
    process.exitCode = 1;
  }
} else {
  writeFileSync(LOCK, after);
}
