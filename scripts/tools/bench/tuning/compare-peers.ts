import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { quantize } from "../../../api/quantize.js";
import { packageRoot } from "../../../package/package-root.js";
import { absolute, compareLatency } from "./compare-static.js";
import type { BenchModel } from "./models.js";
import { scoreSamples } from "./sample-scores.js";

/**
 * Time limit of a peer (other tool): its entropy calibration keeps every activation of every sample and is too
 * slow on larger models.
 */
const PEER_SECONDS = 300;

const STATIC = ["MinMax", "Entropy", "Percentile", "Distribution"] as const;
const NNCF = ["performance", "mixed"] as const;

/** Peers (other tools) that quantize the same model on the same calibration samples. */
const PEERS: readonly { readonly name: string; readonly script: string; readonly argument: string }[] = [
  ...STATIC.map((argument) => ({
    name: `quantize_static ${argument}`,
    script: "quantize_static.py",
    argument,
  })),
  ...NNCF.map((argument) => ({ name: `nncf ${argument}`, script: "nncf_quantize.py", argument })),
];

/** A peer's (other tool's) quantized model compared with ours, over evaluation and validation samples together. */
export interface PeerComparison {
  readonly peer: string;
  readonly theirs: number;
  /** Mean over samples of our model's score minus the peer's, with its standard error. */
  readonly difference: number;
  readonly standardError: number;
  /** The peer's latency divided by ours, measured in turn; above 1 ours is faster. */
  readonly speed: number;
  readonly speedNoise: number;
}

export interface ModelComparison {
  readonly float: number;
  readonly ours: number;
  readonly integer: string;
  readonly peers: readonly PeerComparison[];
  /** Peers (other tools) that did not produce a working model, with their error. */
  readonly failures: readonly { readonly peer: string; readonly reason: string }[];
}

/**
 * `quantize` under the model's own configuration against onnxruntime's quantize_static with each of its
 * calibrators and NNCF's quantize with each of its presets: same calibration samples, same scored samples, timed
 * in one process.
 *
 * @param isAsked whether to compare with a peer, by its name
 */
export async function compareWithPeers(
  model: BenchModel,
  folder: string,
  python: string,
  isAsked: (peer: string) => boolean = () => true,
): Promise<ModelComparison> {
  const { name, directory, whole } = model;
  const asked = { ...model, configuration: whole };
  const made = await quantize({ configuration: whole, directory }, { out: join(folder, `${name}-whole`) });
  const ours = await scoreSamples(made.model, asked);
  const peerConfiguration = join(folder, `${name}.json`);
  writeFileSync(peerConfiguration, JSON.stringify(absolute(asked)));
  const peers: PeerComparison[] = [];
  const failures: { peer: string; reason: string }[] = [];
  for (const { name: peer, script, argument } of PEERS.filter(({ name }) => isAsked(name))) {
    const output = join(folder, `${name}-${peer.replace(" ", "-")}.onnx`);
    const path = join(packageRoot(), "scripts", "tools", "bench", "peers", script);
    const run = spawnSync(python, [path, peerConfiguration, output, argument], {
      encoding: "utf8",
      timeout: PEER_SECONDS * 1000,
    });
    if (run.status !== 0) {
      const said = run.stderr?.trim().split("\n").at(-1) ?? "";
      failures.push({ peer, reason: run.signal === null ? said : `took more than ${PEER_SECONDS} s` });
      continue;
    }
    const theirs = await scoreSamples(output, asked);
    const { ratio, noise } = await compareLatency(asked, output, made.model);
    peers.push({
      peer,
      theirs: mean(theirs),
      ...paired(ours, theirs),
      speed: ratio,
      speedNoise: noise,
    });
  }
  const { quantized, integer } = made.integerKernels;
  return {
    float: mean(await scoreSamples(join(directory, whole.model.model), asked)),
    ours: mean(ours),
    integer: `${integer} of ${quantized}`,
    peers,
    failures,
  };
}

function mean(values: Float32Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function paired(
  ours: Float32Array,
  theirs: Float32Array,
): Pick<PeerComparison, "difference" | "standardError"> {
  const differences = ours.map((value, i) => value - theirs[i]!);
  const difference = mean(differences);
  const variance = mean(differences.map((value) => (value - difference) ** 2));
  return { difference, standardError: Math.sqrt(variance / differences.length) };
}
