import type { BadInput } from "./bad-input.js";

/** Command lines that are invalid with any configuration. */
export const BAD_ARGUMENTS: readonly BadInput[] = [
  {
    title: "a configuration that does not exist",
    argv: ["tune", "missing.json", "--out", "out"],
    says: "missing.json cannot be read (ENOENT); give the path of a configuration file.",
  },
  {
    title: "a folder for a configuration",
    argv: ["quantize", ".", "--out", "out"],
    says: ". is not a file; give the path of a configuration file.",
  },
  {
    title: "no configuration at all",
    argv: ["tune"],
    says: "missing required argument 'config'; see quantfleet tune --help.",
  },
  {
    title: "an output folder without a name, as an unset variable gives",
    argv: ["quantize", "sound.json", "--out", ""],
    says: '--out is "", but must be a path; see quantfleet quantize --help.',
  },
  {
    title: "an unknown command",
    argv: ["tuen", "broken.json"],
    says: "unknown command 'tuen' (did you mean tune?); see quantfleet --help.",
  },
  {
    title: "a run to be followed that is not asked for",
    argv: ["submit", "broken.json", "--out", "out", "--dry-run"],
    says: "option '--out <dir>' cannot be used with option '--dry-run'; see quantfleet submit --help.",
  },
  {
    title: "a schedule of nothing",
    argv: ["schedule", "add", "--stack", "Fleet"],
    says: "missing required argument 'config'; see quantfleet schedule --help.",
  },
  { title: "no command", argv: [], says: "a command is missing; see quantfleet --help." },
  {
    title: "an unknown option",
    options: ["--worker", "2"],
    says: "unknown option '--worker' (did you mean --workers?); see quantfleet tune --help.",
  },
  {
    title: "no workers",
    options: ["--workers", "0"],
    says: '--workers is "0", but must be a whole number from 1 to 1024; see quantfleet tune --help.',
  },
  {
    title: "trials in words",
    options: ["--max-trials", "many"],
    says: '--max-trials is "many", but must be a whole number from 1 to 100000; see quantfleet tune --help.',
  },
  {
    title: "more trials than the file may ask for",
    options: ["--max-trials", "100001"],
    says: '--max-trials is "100001", but must be a whole number from 1 to 100000; see quantfleet tune --help.',
  },
  {
    title: "a negative time",
    options: ["--max-minutes", "-1"],
    says: '--max-minutes is "-1", but must be a number from 0 on; see quantfleet tune --help.',
  },
  {
    title: "more minutes than the file may ask for",
    options: ["--max-minutes", "99999"],
    says: "optimizer.params.max_minutes is 99999, but must be a number from 0 to 43200.",
  },
  {
    title: "half a seed",
    options: ["--seed", "1.5"],
    says: '--seed is "1.5", but must be a whole number from 0 to 4294967295; see quantfleet tune --help.',
  },
  {
    title: "a race that is neither on nor off",
    options: ["--race", "maybe"],
    says: '--race is "maybe", but must be one of on, off; see quantfleet tune --help.',
  },
  {
    title: "nothing to resume",
    options: ["--resume"],
    says: "out holds no run to resume; start one without --resume, or give its folder by --out.",
  },
  {
    title: "a file where the output folder should be",
    argv: ["tune", "broken.json", "--out", "x.npy"],
    says: "x.npy is a file, but a folder is needed; give another by --out.",
  },
  ...(process.platform === "linux"
    ? [
        {
          title: "an output folder that cannot be made",
          argv: ["tune", "broken.json", "--out", "/proc/foo"],
          says: "/proc/foo cannot be written to (ENOENT); give another by --out.",
        },
      ]
    : []),
  {
    title: "an output folder below a file",
    argv: ["quantize", "broken.json", "--out", "x.npy/out"],
    says: "x.npy/out cannot be a folder (ENOTDIR); give another by --out.",
  },
  {
    title: "a model that is not there",
    argv: ["evaluate", "missing.onnx", "broken.json"],
    says: "The model missing.onnx cannot be read (ENOENT); check the path.",
  },
  {
    title: "a folder for a model",
    argv: ["evaluate", ".", "broken.json"],
    says: "The model . is not a file; give the path of an .onnx file.",
  },
  {
    title: "a group that is not there",
    argv: ["inspect", "model.onnx", "--group", "stemm"],
    says: '--group is "stemm", which is no group, nor an op or tensor of one; did you mean "stem"?',
  },
  {
    title: "text for a model",
    argv: ["evaluate", "text.onnx", "broken.json"],
    says: "text.onnx is not an ONNX model (its 29 bytes do not parse as protobuf); give the path of an .onnx file.",
  },
  {
    title: "a graph that goes round",
    argv: ["evaluate", "cyclic.onnx", "broken.json"],
    says: 'cyclic.onnx has nodes in a cycle: Relu "Relu_2" reads "a", which is made of its own output; export the model again.',
  },
  {
    title: "no configuration",
    argv: ["evaluate", "model.onnx"],
    says: "missing required argument 'config'; see quantfleet evaluate --help.",
  },
  {
    title: "a model that is not there",
    argv: ["inspect", "missing.onnx"],
    says: "The model missing.onnx cannot be read (ENOENT); check the path.",
  },
  {
    title: "text for a model",
    argv: ["inspect", "text.onnx"],
    says: "text.onnx is not an ONNX model (its 29 bytes do not parse as protobuf); give the path of an .onnx file.",
  },
  {
    title: "an unknown device",
    argv: ["inspect", "model.onnx", "--target-device", "TPU"],
    says: 'The target device is "TPU", but must be "ANY", "CPU", "CPU_VNNI", "CPU_AVX2", "CPU_ARM64", "GPU", "VPU", "NPU", "GNA", "GNA3" or "CPU_SPR", or the path of a hardware file (.json); did you mean "CPU"?',
  },
  {
    title: "a hardware file that is none",
    argv: ["inspect", "model.onnx", "--target-device", "broken.json"],
    says: "model in broken.json is not a known key; known here: $schema, device, description, notes, processor, primary_bitwidth, presets, schemes, operations.",
  },
];
