"""Quantizes a configuration's model with NNCF's post-training quantization, for comparison only.

usage: nncf_quantize.py CONFIG OUTPUT.onnx performance|mixed

On the calibration rows that the configuration's algorithm uses, with NNCF's defaults otherwise.
"""

import logging
import sys

import nncf
import onnx
import onnxruntime
from calibration_rows import calibration_rows, read_configuration

logging.disable(logging.WARNING)


def main():
    config_path, output, preset = sys.argv[1:4]
    config, folder, model = read_configuration(config_path)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    rows = calibration_rows(config, folder, session)
    quantized = nncf.quantize(
        onnx.load(model),
        nncf.Dataset(rows),
        subset_size=len(rows),
        preset=nncf.QuantizationPreset(preset),
        target_device=nncf.TargetDevice.CPU,
    )
    onnx.save(quantized, output)
    print(nncf.__version__)


main()
