"""Names and limits of the backbones: plain data, so that a harness can check a spec without TensorFlow."""

from __future__ import annotations

from typing import NamedTuple

CLASSES = 71
"""Dynamical-time classes 0 (furthest apart) to 70 (merged), paper section II.A."""

NO_BACKBONE = "none"
"""Of runs that only load images."""

SMALL = "Small"
"""The suite's own small convolutional backbone."""


class Backbone(NamedTuple):
    """A convolutional encoder of `keras.applications`, or the small one of this suite.

    module: the family's module there, which holds its `preprocess_input`; empty for the small one
    min_resolution: smallest image edge in pixels that Keras builds it for without its top
    """

    module: str
    min_resolution: int = 32


_REGNET_SIZES = ("002", "004", "006", "008", "016", "032", "040", "064", "080", "120", "160", "320")

BACKBONES: dict[str, Backbone] = {
    SMALL: Backbone(""),
    **{f"EfficientNetB{i}": Backbone("efficientnet") for i in range(8)},
    **{f"EfficientNetV2{size}": Backbone("efficientnet_v2") for size in ("B0", "B1", "B2", "B3", "S", "M", "L")},
    **{f"ResNet{depth}": Backbone("resnet") for depth in (50, 101, 152)},
    **{f"ResNet{depth}V2": Backbone("resnet_v2") for depth in (50, 101, 152)},
    **{f"ResNetRS{depth}": Backbone("resnet_rs") for depth in (50, 101, 152, 200, 270, 350, 420)},
    **{f"RegNet{kind}{size}": Backbone("regnet") for kind in "XY" for size in _REGNET_SIZES},
    **{f"DenseNet{depth}": Backbone("densenet") for depth in (121, 169, 201)},
    **{f"ConvNeXt{size}": Backbone("convnext") for size in ("Tiny", "Small", "Base", "Large", "XLarge")},
    "MobileNet": Backbone("mobilenet"),
    "MobileNetV2": Backbone("mobilenet_v2"),
    "MobileNetV3Small": Backbone("mobilenet_v3"),
    "MobileNetV3Large": Backbone("mobilenet_v3"),
    "VGG16": Backbone("vgg16"),
    "VGG19": Backbone("vgg19"),
    "InceptionV3": Backbone("inception_v3", 75),
    "InceptionResNetV2": Backbone("inception_resnet_v2", 75),
    "Xception": Backbone("xception", 71),
    "NASNetMobile": Backbone("nasnet"),
    "NASNetLarge": Backbone("nasnet"),
}
