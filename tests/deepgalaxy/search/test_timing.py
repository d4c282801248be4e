import json

import numpy as np

from deepgalaxy.search.timing import main, vectors


def test_it_times_the_same_queries_in_every_way(capsys):
    assert main(["500"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["vectors"] == 500 and row["same_answers"]
    assert len(row["nearest_s"]) == len(row["recommend_s"]) == len(row["brute_force_s"]) == 50
    assert min(row["recommend_s"]) > 0


def test_neighbours_along_a_path_are_near():
    z = vectors(71 * 20)
    steps = np.linalg.norm(np.diff(z, axis=0), axis=1)
    within = np.delete(steps, np.arange(70, len(steps), 71))
    assert np.median(within) < 0.3 * np.median(np.linalg.norm(z[::71][1:] - z[::71][:-1], axis=1))
