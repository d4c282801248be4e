import itertools
import time

from deepgalaxy.training.split import Kinds, measure_split


def test_each_kind_is_timed_apart_and_in_turn():
    order = []

    def step(name, seconds):
        def run(batch):
            order.append(name)
            time.sleep(seconds)
            return 0.0

        return run

    def wait():
        order.append("wait")

    kinds = Kinds(step("whole", 0.03), step("alone", 0.02), step("compute", 0.01))
    split = measure_split(kinds, itertools.repeat(("batch",)), 4, wait)
    assert order[:3] == ["whole", "alone", "compute"]  # untimed: the first ones trace
    assert order[3:] == ["wait", "whole", "wait", "alone", "wait", "compute"] * 4
    assert [len(times) for times in (split.whole_s, split.alone_s, split.compute_s)] == [4, 4, 4]
    for times, least in ((split.whole_s, 0.03), (split.alone_s, 0.02), (split.compute_s, 0.01)):
        assert min(times) >= least
