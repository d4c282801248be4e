"""How long a network's training step computes, and when in it each gradient becomes ready: a file of plain data."""

from __future__ import annotations

from pathlib import Path

import msgspec

from deepgalaxy.errors import InputError
from deepgalaxy.files import replacing

SCHEMA_VERSION = 1


class GradientReady(msgspec.Struct, frozen=True, kw_only=True):
    """elements: of the gradient, float32 each; ready_s: seconds from the begin of the backward pass"""

    elements: int
    ready_s: float


class ComputeProfile(msgspec.Struct, frozen=True, kw_only=True):
    """Of one training step on one worker.

    batch_size: images; forward_s, backward_s: mean times, seconds
    step_jitter: measured steps' times over their mean
    gradients: in the order in which they become ready

    Raises
    ------
    InputError: values that no step can have
    """

    backbone: str
    resolution: int
    batch_size: int
    forward_s: float
    backward_s: float
    step_jitter: list[float]
    gradients: list[GradientReady]
    schema: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        if self.schema != SCHEMA_VERSION:
            raise InputError(f"schema {self.schema} of this profile is not {SCHEMA_VERSION}, which this version reads")
        if not (self.forward_s > 0 and self.backward_s > 0):
            raise InputError(f"forward_s {self.forward_s} and backward_s {self.backward_s} must be above 0")
        if not self.step_jitter or min(self.step_jitter) <= 0:
            raise InputError("step_jitter must hold relative step times above 0, one or more")
        if not self.gradients or min(g.elements for g in self.gradients) < 1:
            raise InputError("gradients must hold one or more, of 1 element or more each")
        ready = [g.ready_s for g in self.gradients]
        if ready != sorted(ready) or ready[0] < 0:
            raise InputError("gradients must be in the order in which they become ready")


def read_profile(path: Path) -> ComputeProfile:
    """A profile from its file.

    Raises
    ------
    InputError: the file is missing, or holds no valid profile
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=ComputeProfile)
    except OSError as error:
        raise InputError(f"profile {path}: {error.strerror}") from None
    except (msgspec.MsgspecError, InputError) as error:
        raise InputError(f"profile {path}: {error}") from None


def write_profile(profile: ComputeProfile, path: Path) -> None:
    """Write a profile as JSON, whole or not at all.

    Raises
    ------
    InputError: the file can't be written
    """
    with replacing(path) as partial:
        partial.write_bytes(msgspec.json.format(msgspec.json.encode(profile), indent=1))
