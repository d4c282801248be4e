"""DeepGalaxy (Cai et al. 2020): the workload that the scaling suite measures."""

__version__ = "0.1.0"
