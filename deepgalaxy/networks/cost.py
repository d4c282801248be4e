"""What a network costs: parameters, gradients, arithmetic, memory. The harness's records hold the same numbers."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import tensorflow as tf

from deepgalaxy.networks.costs import MemoryCost
from deepgalaxy.networks.live import BATCH, live_bytes_per_image

TRAINING_PER_INFERENCE = 3
"""Arithmetic of a training step in units of the forward pass: the backward one computes two products where the
forward one computes one, for the gradients of inputs and of weights (e.g. Kaplan et al. 2020, arXiv:2001.08361)."""

KEPT_OPERATIONS = frozenset(
    ("AddV2", "AvgPool", "BiasAdd", "ConcatV2", "Conv2D", "DepthwiseConv2dNative", "FusedBatchNormV3")
    + ("MaxPool", "Mul", "Relu", "Relu6", "ResizeBilinear", "Sigmoid")
)
"""Operations whose results a backward pass needs."""

FEATURE_MAP_RANK = 4


class Cost(msgspec.Struct, frozen=True, kw_only=True):
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


def live(model: tf.keras.Model, resolution: int) -> MemoryCost:
    """What a classifier keeps alive in a step on images of `resolution` pixels, from the graphs of its steps."""
    variables = model.trainable_variables
    images = tf.TensorSpec((BATCH, resolution, resolution, 1), tf.float32)
    labels = tf.TensorSpec((BATCH,), tf.int64)

    def training(images: tf.Tensor, labels: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            classes = model(images, training=True)["classes"]
            loss = tf.reduce_mean(tf.keras.losses.sparse_categorical_crossentropy(labels, classes))
        return list(tape.gradient(loss, variables))

    def inference(images: tf.Tensor) -> tf.Tensor:
        return model(images, training=False)["classes"]

    step = tf.function(training, autograph=False).get_concrete_function(images, labels).graph
    predict = tf.function(inference, autograph=False).get_concrete_function(images).graph
    return MemoryCost(
        parameters=int(model.count_params()),
        trainable_parameters=sum(v.shape.num_elements() for v in variables),
        gradient_tensors=len(variables),
        operations=len(step.get_operations()),
        training_bytes_per_pixel=round(live_bytes_per_image(step) / resolution**2, 2),
        inference_bytes_per_pixel=round(live_bytes_per_image(predict) / resolution**2, 2),
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
