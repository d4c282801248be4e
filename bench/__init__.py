"""The scaling harness: plans, launches, watches, collects, analyses and draws.

It knows the workload only through `deepgalaxy.spec`, and its process never imports TensorFlow,
Horovod or mpi4py: what measures must not disturb what is measured.
"""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
