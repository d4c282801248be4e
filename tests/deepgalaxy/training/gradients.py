"""Take one step of a small network without batch normalisation, on a share of eight images for each rank.

python -m tests.deepgalaxy.training.gradients OUT RANKS PASSES: rank 0 writes the gradient to OUT.npz
"""

import sys

import numpy as np
import tensorflow as tf

from deepgalaxy.training.objective import Objective
from deepgalaxy.training.step import optimizer, train_step

IMAGES, EDGE, CLASSES = 8, 16, 5


def small_model():
    images = tf.keras.Input((EDGE, EDGE, 1))
    x = tf.keras.layers.Conv2D(4, 3, activation="relu")(images)
    x = tf.keras.layers.Flatten()(x)
    return tf.keras.Model(images, {"classes": tf.keras.layers.Dense(CLASSES, activation="softmax")(x)})


def gradient(ranks, passes=1):
    """What SGD with rate 1 subtracts from the weights in one step, and this rank's sums."""
    tf.keras.utils.set_random_seed(0)
    model = small_model()
    before = model.get_weights()
    rng = np.random.default_rng(0)
    images = rng.random((IMAGES, EDGE, EDGE, 1), np.float32)
    labels = rng.integers(CLASSES, size=IMAGES)
    weights = np.array([1, 1, 1, 1, 1, 1, 0, 0], np.float32) * 8 / 6  # the last two only fill up
    mine = [tf.constant(part[ranks.rank :: ranks.size]) for part in (images, labels, weights, weights)]
    step = train_step(model, Objective({"classes": 1.0}), optimizer("SGD", 1.0), ranks, seed=0, passes=passes)
    sums = {name: float(value) for name, value in step(*mine).items()}
    return [b - a for b, a in zip(before, model.get_weights(), strict=True)], sums


if __name__ == "__main__":
    from deepgalaxy.training.distributed import connect

    horovod = connect(yielding=True)
    assert horovod.size == int(sys.argv[2])
    found, _ = gradient(horovod, int(sys.argv[3]))
    assert horovod.share(f"from {horovod.rank}") == "from 0"
    assert list(horovod.total(np.array([1.0, horovod.rank]))) == [horovod.size, sum(range(horovod.size))]
    if horovod.rank == 0:
        np.savez(sys.argv[1], *found)
    horovod.leave()
