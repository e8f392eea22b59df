"""The calibration rows that a configuration's quantization uses, as feeds of one sample each."""

import json
import os

import numpy as np

TYPES = {"tensor(float)": np.float32, "tensor(int64)": np.int64, "tensor(int32)": np.int32}


def read_configuration(path):
    """The configuration and the path of its model."""
    with open(path) as file:
        config = json.load(file)
    folder = os.path.dirname(os.path.abspath(path))
    return config, folder, os.path.join(folder, config["model"]["model"])


def calibration_rows(config, folder, session):
    """One dictionary of inputs per sample, with the types that the session's model expects."""
    count = subset_size(config)
    types = {port.name: TYPES[port.type] for port in session.get_inputs()}
    inputs = {
        name: load_rows(folder, source, count, types[name])
        for name, source in config["engine"]["calibration"]["inputs"].items()
    }
    rows = min(len(array) for array in inputs.values())
    return [{name: array[i : i + 1] for name, array in inputs.items()} for i in range(rows)]


def subset_size(config):
    for algorithm in config["compression"]["algorithms"]:
        if algorithm["name"] == "TunableQuantization":
            return algorithm["params"].get("stat_subset_size")
    return None


def load_rows(folder, source, count, dtype):
    array = np.load(os.path.join(folder, source["data"]))
    first, last = source.get("rows", (0, len(array)))
    rows = array[first:last][:count]
    if "scale" in source or "mean" in source or "std" in source:
        shape = (1, -1) + (1,) * (rows.ndim - 2)
        mean = np.array(source.get("mean", [0.0])).reshape(shape)
        std = np.array(source.get("std", [1.0])).reshape(shape)
        rows = (rows * source.get("scale", 1.0) - mean) / std
    return rows.astype(dtype)
