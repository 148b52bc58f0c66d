"""Architectures: the published counts, and every vocabulary from the same body."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

from hepnn import architectures, vocabularies
from hepnn.architectures import narrow
from hepnn.errors import RecipeError

pytestmark = pytest.mark.usefixtures("tensorflow")


def _trainable(model: Any) -> int:
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)


def test_lenet5_has_the_papers_60000_parameters_layer_by_layer() -> None:
    """LeCun et al. (1998), section II.B: the counts it gives for C1 to F6."""
    model = architectures.get("lenet5")((32, 32, 1), (10,), nn=vocabularies.get("float"))
    published = {"c1": 156, "s2": 12, "c3": 1516, "s4": 32, "c5": 48120, "f6": 10164}
    found = {layer.name: _trainable(layer) for layer in model.layers if layer.trainable_variables}
    assert found == published
    assert _trainable(model) == 60_000


def test_lenet5_has_the_papers_connections() -> None:
    """Section II.B: C1 122,304; S2 5,880; C3 151,600; S4 2,000; C5 48,120 connections."""
    model = architectures.get("lenet5")((32, 32, 1), (10,), nn=vocabularies.get("float"))
    shapes = {layer.name: layer.output.shape[1:] for layer in model.layers}
    assert np.prod(shapes["c1"]) * 26 == 122_304
    assert np.prod(shapes["s2"]) * 5 == 5_880
    assert 100 * model.get_layer("c3").count_params() == 151_600
    assert np.prod(shapes["s4"]) * 5 == 2_000
    assert np.prod(shapes["c5"]) * (25 * 16 + 1) == 48_120


def test_the_partial_convolution_is_a_convolution_with_zeros() -> None:
    from keras import ops

    from hepnn.architectures.lenet5 import TABLE_I
    from hepnn.layers.lenet import PartialConv2D

    layer = PartialConv2D(TABLE_I, 5)
    x = np.random.default_rng(0).normal(size=(2, 9, 9, 6)).astype(np.float32)
    answer = np.asarray(layer(x))
    kernel, position = np.asarray(layer.kernel), 0
    full = np.zeros((5, 5, 6, 16), np.float32)
    for maps_in in range(6):  # the order in which the connections are stored
        for maps_out, inputs in enumerate(TABLE_I):
            if maps_in in inputs:
                full[:, :, maps_in, maps_out] = kernel[:, :, position]
                position += 1
    expected = np.asarray(ops.conv(x, full, 1, "valid"))
    assert np.allclose(answer, expected, atol=1e-6)


def test_the_radial_basis_is_minus_the_squared_distance() -> None:
    from hepnn.layers.lenet import RadialBasis

    layer = RadialBasis(3, seed=1)
    x = np.random.default_rng(0).normal(size=(5, 84)).astype(np.float32)
    answer = np.asarray(layer(x))
    codes = np.asarray(layer.codes)
    assert set(np.unique(codes)) == {-1.0, 1.0}
    distance = ((x[:, :, None] - codes[None]) ** 2).sum(1)
    assert np.allclose(answer, -distance, rtol=1e-5)


def test_the_jet_tagger_has_4389_parameters() -> None:
    """16-64-32-32-5: 16*64+64 + 64*32+32 + 32*32+32 + 32*5+5."""
    model = architectures.get("mlp")((16,), (5,), nn=vocabularies.get("float"))
    assert model.count_params() == 4389


@pytest.mark.parametrize("vocabulary", list(vocabularies.VOCABULARIES))
@pytest.mark.parametrize("label", list(narrow.variants()))
def test_every_vocabulary_gives_the_same_network(label: str, vocabulary: str) -> None:
    from hepnn.training import network

    name, variant = narrow.variants()[label]
    shapes = variant.input_shape, variant.output_shape
    build = architectures.get(name)
    reference = build(*shapes, nn=vocabularies.get("float"), **variant.hyper)
    try:
        model = build(*shapes, nn=vocabularies.get(vocabulary), **variant.hyper)
    except RecipeError as error:  # the support matrix tells which those are
        assert f"vocabulary {vocabulary} has no" in str(error)
        return
    assert [layer.name for layer in model.layers] == [layer.name for layer in reference.layers]
    assert network.warm_start(model, reference) == [
        layer.name for layer in reference.layers if layer.weights
    ]
    assert network.parameters(model) == network.parameters(reference)
    assert model.output_shape == reference.output_shape


@pytest.mark.parametrize("name", list(architectures.ARCHITECTURES))
def test_every_architecture_cites_its_paper(name: str) -> None:
    module = inspect.getmodule(architectures.get(name))
    assert module is not None and module.__doc__ is not None
    assert any(mark in module.__doc__ for mark in ("Proc.", "Nature", "arXiv", "IEEE", "NeurIPS"))


@pytest.mark.parametrize("vocabulary", ["hgq", "qkeras"])
def test_a_word_without_fixed_point_is_refused_with_what_to_use(vocabulary: str) -> None:
    with pytest.raises(RecipeError, match=f"{vocabulary} has no ScaledTanh; set activation: relu"):
        architectures.get("lenet5")((32, 32, 1), (10,), nn=vocabularies.get(vocabulary))


def test_images_too_small_are_refused() -> None:
    with pytest.raises(RecipeError, match="too deep"):
        architectures.get("lenet5")((8, 8, 1), (10,), nn=vocabularies.get("float"))


def test_using_the_qkeras_vocabulary_leaves_hgq_as_it_was() -> None:
    """`qkeras.qlayers` would replace the constructors of HGQ2's layers for the process."""
    vocabularies.get("qkeras")
    model = architectures.get("mlp")((4,), (2,), nn=vocabularies.get("hgq"))
    assert all(layer.enable_iq and layer.enable_ebops for layer in model.layers[1:])
