"""What a network costs: parameters, gradients, arithmetic, memory. The harness's records hold the same numbers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import tensorflow as tf

TRAINING_PER_INFERENCE = 3
"""Arithmetic of a training step in units of the forward pass: the backward one computes two products where the
forward one computes one, for the gradients of inputs and of weights (e.g. Kaplan et al. 2020, arXiv:2001.08361)."""

KEPT_OPERATIONS = frozenset(
    ("AddV2", "AvgPool", "BiasAdd", "ConcatV2", "Conv2D", "DepthwiseConv2dNative", "FusedBatchNormV3")
    + ("MaxPool", "Mul", "Relu", "Relu6", "ResizeBilinear", "Sigmoid")
)
"""Operations whose results a backward pass needs."""

FEATURE_MAP_RANK = 4


class Cost(NamedTuple):
    """Of a network at one resolution.

    parameters: trainable or not; gradient_bytes, gradient_tensors: what the ranks exchange each step
    inference_flops_per_image: of the forward pass, by TensorFlow's profiler, a multiply-add counting as two
    training_flops_per_image: `TRAINING_PER_INFERENCE` times that, an estimate
    activation_bytes_per_image: feature maps that the backward pass needs, an estimate from above
    """

    parameters: int
    trainable_parameters: int
    gradient_bytes: int
    gradient_tensors: int
    inference_flops_per_image: int
    training_flops_per_image: int
    activation_bytes_per_image: int


def cost(model: tf.keras.Model, resolution: int) -> Cost:
    """What `model` costs on images of `resolution` pixels."""
    inference = flops_per_image(model, resolution)
    return Cost(
        parameters=int(model.count_params()),
        trainable_parameters=sum(v.shape.num_elements() for v in model.trainable_variables),
        gradient_bytes=gradient_bytes(model.trainable_variables),
        gradient_tensors=len(model.trainable_variables),
        inference_flops_per_image=inference,
        training_flops_per_image=TRAINING_PER_INFERENCE * inference,
        activation_bytes_per_image=_activation_bytes(model, resolution),
    )


def gradient_bytes(variables: Iterable[tf.Variable]) -> int:
    """Bytes of the gradients of `variables`, which have their shapes and types."""
    return sum(v.shape.num_elements() * v.dtype.size for v in variables)


def flops_per_image(model: tf.keras.Model, resolution: int) -> int:
    """Floating-point operations of the forward pass of one image."""
    function = tf.function(lambda images: model(images, training=False), autograph=False)
    return graph_flops(function.get_concrete_function(tf.TensorSpec((1, resolution, resolution, 1), tf.float32)).graph)


def graph_flops(graph: tf.Graph) -> int:
    """Floating-point operations of one run of a graph with fixed shapes, by TensorFlow's profiler."""
    from tensorflow.python.profiler import model_analyzer, option_builder

    options = option_builder.ProfileOptionBuilder.float_operation()
    options["output"] = "none"
    return int(model_analyzer.profile(graph, options=options).total_float_ops)


def _activation_bytes(model: tf.keras.Model, resolution: int) -> int:
    """Bytes that the forward pass of one image leaves for the backward one."""
    function = tf.function(lambda images: model(images, training=True), autograph=False)
    graph = function.get_concrete_function(tf.TensorSpec((1, resolution, resolution, 1), tf.float32)).graph
    kept = [op.outputs[0] for op in graph.get_operations() if op.type in KEPT_OPERATIONS]
    return sum(t.shape.num_elements() * t.dtype.size for t in kept if t.shape.rank == FEATURE_MAP_RANK)
