"""Quantizes a configuration's model with onnxruntime's own quantize_static, for comparison only.

usage: quantize_static.py CONFIG OUTPUT.onnx

QDQ, per channel, min-max calibration, on the calibration rows that the configuration's algorithm uses.
"""

import json
import logging
import os
import sys
import tempfile

import numpy as np
import onnxruntime
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

logging.disable(logging.WARNING)


TYPES = {"tensor(float)": np.float32, "tensor(int64)": np.int64, "tensor(int32)": np.int32}


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


class Rows(CalibrationDataReader):
    def __init__(self, inputs):
        count = min(len(rows) for rows in inputs.values())
        self.feeds = iter(
            {name: rows[i : i + 1] for name, rows in inputs.items()} for i in range(count)
        )

    def get_next(self):
        return next(self.feeds, None)


def main():
    config_path, output = sys.argv[1:3]
    with open(config_path) as file:
        config = json.load(file)
    folder = os.path.dirname(os.path.abspath(config_path))
    model = os.path.join(folder, config["model"]["model"])
    count = config["compression"]["algorithms"][0]["params"].get("stat_subset_size")
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    types = {port.name: TYPES[port.type] for port in session.get_inputs()}
    inputs = {
        name: load_rows(folder, source, count, types[name])
        for name, source in config["engine"]["calibration"]["inputs"].items()
    }
    with tempfile.TemporaryDirectory() as scratch:
        prepared = os.path.join(scratch, "prepared.onnx")
        try:
            quant_pre_process(model, prepared, skip_symbolic_shape=True)
        except Exception:  # its optimizer does not take every model; quantize_static then gets it as it is
            prepared = model
        quantize_static(
            prepared,
            output,
            Rows(inputs),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
        )
    print(onnxruntime.__version__)


main()
