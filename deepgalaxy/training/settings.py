"""What a training is to do: one frozen object, written beside its results and checked on resuming."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec

from deepgalaxy.data.batches import Loading
from deepgalaxy.errors import InputError, near_names
from deepgalaxy.networks.catalogue import BACKBONES, CLASSES
from deepgalaxy.words import Engine, Precision

SCALINGS = ("linear", "none")

PRESETS: dict[str, dict[str, Any]] = {
    # Section III.A and the caption of Fig. 3. The paper does not say whether 8.0 was multiplied by the workers:
    # it is taken as it stands.
    "paper": {
        "backbone": "EfficientNetB4",
        "weights": "imagenet",
        "optimizer": "Adadelta",
        "learning_rate": 8.0,
        "scaling": "none",
        "warmup_epochs": 0.0,
        "classification_loss": "mse",
        "batch_size": 8,
        "epochs": 16,
    },
}

MAY_CHANGE = ("epochs", "patience", "checkpoint_every")
"""Settings that a resumed training may have other values of."""


class TrainingSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that a training's result depends on, but for the number of workers.

    Attributes
    ----------
    data: HDF5 file of merger images; unlabelled: folder of observed images, `hubble`, or empty
    loss_weights: by name, see `objective`; they say which parts of the network there are
    learning_rate: of one worker; scaling: `linear` multiplies it by the workers, over `warmup_epochs`
    batch_size, unlabelled_batch_size: images per worker and pass; 0 unlabelled ones: only reported on
    passes: gone through before gradients are exchanged (local gradient aggregation)
    patience: epochs without a lower validation loss before the training ends; 0 for all epochs
    checkpoint_every: steps; 0 for the end of each epoch alone
    noise, flips, rotations: of training images, see `augment.Augmentation`
    simulations, cameras, times_myr: what is used of the file
    hold_out_simulations, hold_out_cameras: kept away from training and validation, and reported on

    Raises
    ------
    InputError: a field out of its range
    """

    data: str
    unlabelled: str = ""
    backbone: str = "EfficientNetB0"
    weights: str = ""
    classes: int = CLASSES
    latent: int = 16
    loss_weights: dict[str, float] = msgspec.field(default_factory=lambda: {"classes": 1.0})
    classification_loss: str = "cross-entropy"
    optimizer: str = "Adam"
    learning_rate: float = 1e-3
    scaling: str = "linear"
    warmup_epochs: float = 1.0
    batch_size: int = 8
    unlabelled_batch_size: int = 2
    passes: int = 1
    epochs: int = 12
    patience: int = 0
    seed: int = 0
    checkpoint_every: int = 0
    noise: float = 0.0
    flips: bool = False
    rotations: bool = False
    loading: str = Loading.RESHUFFLE.value
    reshuffle_every: int = 1
    simulations: str = "*"
    cameras: tuple[int, ...] = ()
    times_myr: tuple[float, float] | None = None
    hold_out_simulations: tuple[str, ...] = ()
    hold_out_cameras: tuple[int, ...] = ()
    split_by_image: bool = False
    precision: Precision = Precision.FP32
    engine: Engine = Engine.TENSORFLOW
    fp16_compression: bool = False
    deterministic: bool = False

    def __post_init__(self) -> None:
        if self.backbone not in BACKBONES:
            raise InputError(near_names("backbone", self.backbone, BACKBONES))
        if self.scaling not in SCALINGS:
            raise InputError(near_names("scaling", self.scaling, SCALINGS))
        if self.loading not in [x.value for x in Loading]:
            raise InputError(near_names("loading", self.loading, [x.value for x in Loading]))
        smallest = {"batch_size": 1, "unlabelled_batch_size": 0, "passes": 1, "epochs": 1, "classes": 2, "latent": 1}
        for field in (*smallest, "patience", "checkpoint_every", "seed", "warmup_epochs"):
            if getattr(self, field) < smallest.get(field, 0):
                raise InputError(
                    f"{field} {getattr(self, field)} is too small: {smallest.get(field, 0)} or more is allowed"
                )
        if not 0 < self.learning_rate < float("inf"):
            raise InputError(f"learning_rate {self.learning_rate} is not a positive number")

    def rate(self, epochs_done: float, workers: int) -> float:
        """Learning rate, `epochs_done` since the start: from that of one worker up to the scaled one
        (Goyal et al. 2017, arXiv:1706.02677, section 2.2).
        """
        if self.scaling == "none":
            return self.learning_rate
        grown = min(1.0, epochs_done / self.warmup_epochs) if self.warmup_epochs else 1.0
        return self.learning_rate * (1 + grown * (workers - 1))

    def require_same(self, before: TrainingSettings, where: str, may_change: Collection[str] = MAY_CHANGE) -> None:
        """See to it that a training that was begun with `before` can go on with these.

        Raises
        ------
        InputError: names the first that differs, with both values
        """
        for field in self.__struct_fields__:
            was, now = getattr(before, field), getattr(self, field)
            if field not in may_change and was != now:
                raise InputError(
                    f"{where} was begun with {field} {was!r}, not {now!r}: choose another folder with --out"
                )
