import pytest
import tensorflow as tf

from deepgalaxy.engine import executed_products
from deepgalaxy.operators import flop_of, measure_operators, nodes_of, plain_name
from deepgalaxy.words import Mode
from tests.deepgalaxy.test_workload import prepared  # noqa: F401


@pytest.mark.parametrize(
    ("kind", "inputs", "output", "flop"),
    [
        ("Conv2D", [(8, 16, 16, 3), (3, 3, 3, 32)], (8, 8, 8, 32), 2 * 8 * 8 * 8 * 32 * 27),
        ("_MklNativeConv2DWithBias", [(8, 16, 16, 3), (3, 3, 3, 32)], (8, 8, 8, 32), 2 * 8 * 8 * 8 * 32 * 27),
        ("_FusedConv2D", [(1, 4, 4, 2), (1, 1, 2, 5), (5,)], (1, 4, 4, 5), 2 * 16 * 5 * 2),
        ("DepthwiseConv2dNative", [(2, 8, 8, 4), (5, 5, 4, 1)], (2, 8, 8, 4), 2 * 2 * 64 * 4 * 25),
        ("Conv2DBackpropInput", [(4,), (3, 3, 3, 32), (8, 8, 8, 32)], (8, 16, 16, 3), 2 * 8 * 8 * 8 * 32 * 27),
        ("_MklNativeConv2DBackpropFilter", [(8, 16, 16, 3), (4,), (8, 8, 8, 32)], (3, 3, 3, 32), 2 * 16384 * 27),
        ("MatMul", [(8, 100), (100, 7)], (8, 7), 2 * 8 * 100 * 7),
        ("Mul", [(8, 100), (8, 100)], (8, 100), 0),
        ("Conv2D", [None, None], (8, 8, 8, 32), 0),
    ],
)
def test_the_arithmetic_of_products_follows_from_shapes(kind, inputs, output, flop):
    assert flop_of(kind, inputs, output) == flop


def test_an_engines_name_of_an_operation_is_the_operations():
    assert plain_name("_MklNativeDepthwiseConv2dNative") == "DepthwiseConv2dNative"
    assert plain_name("_FusedMatMul") == "MatMul"


def test_a_graph_that_ran_is_told_by_operation():
    function = tf.function(lambda x: tf.nn.relu(tf.matmul(x, tf.constant([[1.0] * 64] * 32))) + 1.0)
    concrete = function.get_concrete_function(tf.TensorSpec((16, 32)))
    kept = []
    with executed_products(kept.extend) as products:
        concrete(tf.ones((16, 32)))
    assert sum(products.values()) >= 1
    costs = measure_operators(lambda: concrete(tf.ones((16, 32))), 3, concrete.graph, nodes_of(kept))
    product = next(cost for cost in costs if "MatMul" in cost.operator)
    assert product.count == 1
    assert product.time_s > 0
    assert product.flop == 2 * 16 * 32 * 64
    assert product.bytes_moved >= 4 * (16 * 32 + 32 * 64 + 16 * 64)
    assert [cost.time_s for cost in costs] == sorted((cost.time_s for cost in costs), reverse=True)


def test_a_training_steps_products_have_about_three_times_the_forward_passes_arithmetic(prepared):  # noqa: F811
    work = prepared(mode=Mode.TRAIN, operator_steps=2)
    costs = work.operators(iter(work.batches), 2)
    assert sum(cost.flop for cost in costs) / 4 == pytest.approx(work.flop_per_image, rel=0.1)
