"""TensorFlow as the commands load it, before any test does: they also run within this process."""

import os

from deepgalaxy import placement
from deepgalaxy.engine import load_tensorflow
from deepgalaxy.words import Engine, Precision

load_tensorflow(Engine.TENSORFLOW, Precision.FP32, threads=len(placement.physical_cores(os.sched_getaffinity(0))))
