"""Quantizes a configuration's model with onnxruntime's own quantize_static, for comparison only.

usage: quantize_static.py CONFIG OUTPUT.onnx [MinMax|Entropy|Percentile|Distribution]

QDQ, per channel, on the calibration rows that the configuration's algorithm uses; min-max when no calibrator is named.
"""

import logging
import os
import sys
import tempfile

import onnxruntime
from calibration_rows import calibration_rows, read_configuration
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

logging.disable(logging.WARNING)


class Rows(CalibrationDataReader):
    def __init__(self, rows):
        self.feeds = iter(rows)

    def get_next(self):
        return next(self.feeds, None)


def main():
    config_path, output = sys.argv[1:3]
    calibrator = sys.argv[3] if len(sys.argv) > 3 else "MinMax"
    config, folder, model = read_configuration(config_path)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    rows = calibration_rows(config, folder, session)
    with tempfile.TemporaryDirectory() as scratch:
        prepared = os.path.join(scratch, "prepared.onnx")
        try:
            quant_pre_process(model, prepared, skip_symbolic_shape=True)
        except Exception:  # its optimizer does not take every model; quantize_static then gets it as it is
            prepared = model
        quantize_static(
            prepared,
            output,
            Rows(rows),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod[calibrator],
        )
    print(onnxruntime.__version__)


main()
