"""Sets of objects: published counts, the papers' equations, and masks."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest

from hepnn import architectures, vocabularies
from hepnn.data import scaling, statistics
from hepnn.errors import RecipeError

pytestmark = pytest.mark.usefixtures("tensorflow")

RNG = np.random.default_rng(0)


def build(name: str, shape: tuple[int, ...], outputs: int = 2, **hyper: Any) -> Any:
    vocabulary = hyper.pop("vocabulary", "float")
    nn = vocabularies.get(vocabulary) if isinstance(vocabulary, str) else vocabulary
    return architectures.get(name)(shape, (outputs,), nn=nn, **hyper)


def trained(model: Any) -> dict[str, int]:
    """Return the trained parameters of every layer that has any."""
    return {
        layer.name: sum(int(np.prod(v.shape)) for v in layer.trainable_variables)
        for layer in model.layers
        if layer.trainable_variables
    }


def scattered(model: Any, seed: int = 0) -> Any:
    """Give every weight another value, biases too."""
    rng = np.random.default_rng(seed)
    for variable in model.trainable_variables:
        variable.assign(variable + 0.2 * rng.normal(size=variable.shape))
    return model


def dense(model: Any, name: str, x: np.ndarray) -> np.ndarray:
    layer = model.get_layer(name)
    y = x @ layer.kernel.numpy()
    return y if layer.bias is None else y + layer.bias.numpy()


def relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0.0)


def masked_sets(events: int = 60, places: int = 8, features: int = 4, seed: int = 1) -> np.ndarray:
    """Return sets of 1 to all objects, padding behind them, the mask last."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(events, places, features)).astype(np.float32)
    x[..., -1] = np.arange(places) < rng.integers(1, places + 1, (events, 1))
    return x * x[..., -1:]


def with_rubbish(x: np.ndarray, seed: int = 2) -> np.ndarray:
    """Return the same sets with anything standing where there is no object."""
    rubbish = 1000.0 * np.random.default_rng(seed).normal(size=x.shape).astype(np.float32)
    rubbish[..., -1] = 0.0
    return np.where(x[..., -1:] > 0, x, rubbish)


# Published counts


def test_the_particle_flow_network_has_the_published_82_k() -> None:
    """arXiv:1902.08570, table 3: PFN 82 k; pT, rapidity and azimuth of a particle, two classes."""
    model = build("deep_sets", (100, 3), mask=False)
    phi = [3 * 100 + 100, 100 * 100 + 100, 100 * 256 + 256]
    rho = [256 * 100 + 100, 100 * 100 + 100, 100 * 100 + 100, 100 * 2 + 2]
    assert list(trained(model).values()) == phi + rho
    assert model.count_params() == 82_458


def test_jedi_net_has_the_published_33625_parameters() -> None:
    """arXiv:1908.05318, table 3, and the layers that its authors print for 100 constituents."""
    model = build("interaction_network", (100, 16), 5, mask=False)
    linear = {
        "relation1": (32, 30),
        "relation2": (30, 15),
        "relation3": (15, 10),
        "object1": (26, 30),
        "object2": (30, 15),
        "object3": (15, 10),
        "classifier1": (1000, 30),
        "classifier2": (30, 15),
        "logits": (15, 5),
    }
    assert trained(model) == {name: m * n + n for name, (m, n) in linear.items()}
    assert sum(trained(model).values()) == 33_625


def edge_convs(features: int, channels: list[list[int]]) -> int:
    """Count an EdgeConv's linear layers without biases, its normalizations and its shortcut."""
    total = 2 * features
    for widths in channels:
        for into, out in zip([2 * features, *widths], widths, strict=False):
            total += into * out + 2 * out
        total += features * widths[-1] + 2 * widths[-1]
        features = widths[-1]
    return total


@pytest.mark.parametrize(
    ("hyper", "published"),
    [
        ({}, 366_160),
        ({"neighbours": 7, "channels": [[32] * 3, [64] * 3], "hidden": [128]}, 26_416),
    ],
)
def test_particlenet_has_the_published_366_k_and_26_k(
    hyper: dict[str, Any], published: int
) -> None:
    """arXiv:1902.08570, table 3: 366 k and, for ParticleNet-Lite, 26 k; 7 features, 2 classes."""
    model = build("particlenet", (100, 7), mask=False, **hyper)
    channels = hyper.get("channels", [[64] * 3, [128] * 3, [256] * 3])
    last, (hidden,) = channels[-1][-1], hyper.get("hidden", [256])
    counted = edge_convs(7, channels) + last * hidden + hidden + hidden * 2 + 2
    assert sum(trained(model).values()) == counted == published


def test_a_layer_of_the_base_transformer_has_the_papers_size() -> None:
    """arXiv:1706.03762, table 3: d_model 512, 8 heads of 64, d_ff 2048; eq. (1) and (2)."""
    counts = trained(build("transformer", (3, 9)))
    attention = 4 * 512 * (8 * 64)
    forward = 512 * 2048 + 2048 + 2048 * 512 + 512
    normalizations = 2 * 2 * 512
    for number in range(1, 7):
        parts = (f"attention{number}_", f"forward{number}")
        found = sum(count for name, count in counts.items() if name.startswith(parts))
        assert found == attention + forward + normalizations == 3_150_336
    assert sum(counts.values()) == 6 * 3_150_336 + (9 * 512 + 512) + (512 * 2 + 2)


# The papers' equations


def test_deep_sets_is_rho_of_the_sum_of_phi() -> None:
    model = scattered(build("deep_sets", (8, 4), phi=[6, 5], rho=[7]))
    x = masked_sets()
    phi = relu(dense(model, "phi2", relu(dense(model, "phi1", x))))
    pooled = (phi * x[..., -1:]).sum(axis=1) / 8
    expected = dense(model, "logits", relu(dense(model, "rho1", pooled)))
    assert np.allclose(model.predict(x, verbose=0), expected, atol=1e-5)


def test_the_interaction_network_is_that_of_every_pair() -> None:
    """The equations of arXiv:1908.05318, section 4, with loops in place of matrices."""
    hyper = {"relations": [5, 3], "objects": [4], "classifier": [6], "activation": "relu"}
    model = scattered(build("interaction_network", (4, 3), mask=False, **hyper))
    x = RNG.normal(size=(7, 4, 3)).astype(np.float32)
    effects = np.zeros((7, 4, 3))
    for receiver in range(4):
        for sender in range(4):
            if sender != receiver:
                pair = np.concatenate([x[:, receiver], x[:, sender]], axis=-1)
                effect = relu(dense(model, "relation2", relu(dense(model, "relation1", pair))))
                effects[:, receiver] += effect / 4  # the power of two next to 3 senders
    o = relu(dense(model, "object1", np.concatenate([x, effects], axis=-1)))
    expected = dense(model, "logits", relu(dense(model, "classifier1", o.reshape(7, -1))))
    assert np.allclose(model.predict(x, verbose=0), expected, atol=1e-5)


def test_linear_pairs_are_a_linear_function_of_every_pair() -> None:
    """A sum over pairs of W_R x_i + W_S x_j + b, the object itself among the senders."""
    hyper = {"embed": [4], "relations": [5], "objects": [4], "classifier": [6]}
    model = scattered(
        build(
            "interaction_network",
            (8, 3),
            mask=False,
            pairs="linear",
            pooling="sum",
            activation="relu",
            **hyper,
        )
    )
    x = RNG.normal(size=(7, 8, 3)).astype(np.float32)
    h = relu(dense(model, "embed1", x))
    effects = np.zeros((7, 8, 5))
    for receiver in range(8):
        for sender in range(8):
            pair = dense(model, "received", h[:, receiver]) + dense(model, "sent", h[:, sender])
            effects[:, receiver] += pair / 8
    o = relu(dense(model, "object1", np.concatenate([h, relu(effects)], axis=-1)))
    expected = dense(model, "logits", relu(dense(model, "classifier1", o.mean(axis=1))))
    assert np.allclose(model.predict(x, verbose=0), expected, atol=1e-5)


def test_the_incidence_matrices_have_every_ordered_pair_once() -> None:
    from hepnn.architectures.interaction_network import incidence

    receivers, senders = incidence(5)
    pairs = {(int(r), int(s)) for r, s in zip(receivers.argmax(0), senders.argmax(0), strict=True)}
    assert pairs == {(i, j) for i in range(5) for j in range(5) if i != j}
    assert (receivers.sum(0) == 1).all() and (senders.sum(1) == 4).all()


@pytest.mark.parametrize("coordinates", [None, [1, 2]])
def test_edges_go_to_the_nearest_objects(coordinates: list[int] | None) -> None:
    from hepnn.layers.graphs import EdgeFeatures

    x = masked_sets(40, 8, 4, seed=3)
    features = RNG.normal(size=(40, 8, 5)).astype(np.float32)
    layer = EdgeFeatures(3, coordinates=coordinates)
    found = np.asarray(layer([x, features, x[..., -1:]]))
    there = x[..., -1] > 0
    for event in range(40):
        where = x[event] if coordinates is None else x[event][:, coordinates]
        for i in np.flatnonzero(there[event]):
            others = [j for j in np.flatnonzero(there[event]) if j != i]
            others.sort(key=lambda j: float(((where[i] - where[j]) ** 2).sum()))
            others = (others + [i] * 3)[:3]
            own = features[event, i]
            edges = np.array([np.concatenate([own, features[event, j] - own]) for j in others])
            assert np.allclose(found[event, i], edges, atol=1e-6)


def test_the_attention_is_that_of_keras() -> None:
    """Keras's MultiHeadAttention with the same weights, padding masked as keys."""
    import keras

    hyper = {"width": 12, "layers": 1, "heads": 3, "feed_forward": 8, "attention_bias": True}
    model = scattered(build("transformer", (8, 4), positions="none", dropout=0.0, **hyper))
    x = masked_sets()
    before = keras.Model(model.inputs, model.get_layer("present").output)(x)
    ours = keras.Model(model.inputs, model.get_layer("attention1_output").output)(x)
    theirs = keras.layers.MultiHeadAttention(3, 4)
    there = x[..., -1] > 0
    theirs(before, before, attention_mask=there[:, None, :])
    names = ("query", "key", "value", "output")
    layers = [model.get_layer(f"attention1_{name}") for name in names]
    assert sum(layer.count_params() for layer in layers) == theirs.count_params()
    theirs.set_weights([weight for layer in layers for weight in layer.get_weights()])
    expected = theirs(before, before, attention_mask=there[:, None, :])
    assert np.allclose(ours, expected, atol=2e-5)


def test_a_layer_ends_in_its_normalization() -> None:
    """Section 3.1: LayerNorm(x + Sublayer(x)), with sublayers of eq. (1) and (2)."""
    import keras

    hyper = {"width": 6, "layers": 1, "heads": 2, "feed_forward": 5, "dropout": 0.0}
    model = scattered(build("transformer", (4, 3), mask=False, **hyper))
    x = RNG.normal(size=(5, 4, 3)).astype(np.float32)
    names = ("positions", "attention1_output", "attention1_norm", "forward1_norm")
    probe = keras.Model(model.inputs, [model.get_layer(name).output for name in names])
    embedded, attended, middle, end = (np.asarray(value) for value in probe(x))

    def normalized(value: np.ndarray, name: str) -> np.ndarray:
        layer = model.get_layer(name)
        centred = value - value.mean(-1, keepdims=True)
        centred /= np.sqrt(value.var(-1, keepdims=True) + 1e-6)
        return centred * layer.gamma.numpy() + layer.beta.numpy()

    assert np.allclose(middle, normalized(embedded + attended, "attention1_norm"), atol=1e-5)
    forward = dense(model, "forward1", relu(dense(model, "forward1_hidden", middle)))
    assert np.allclose(end, normalized(middle + forward, "forward1_norm"), atol=1e-5)


def test_positions_are_the_papers_sinusoids() -> None:
    """Section 3.5, an element at a time."""
    from hepnn.layers.attention import sinusoids

    table = sinusoids(9, 6)
    for place in range(9):
        for i in range(3):
            angle = place / 10000 ** (2 * i / 6)
            assert table[place, 2 * i] == pytest.approx(np.sin(angle))
            assert table[place, 2 * i + 1] == pytest.approx(np.cos(angle))


def test_learned_positions_have_a_vector_a_place() -> None:
    hyper = {"width": 6, "layers": 1, "heads": 2, "feed_forward": 5, "mask": False}
    without = build("transformer", (7, 3), positions="none", **hyper).count_params()
    model = build("transformer", (7, 3), positions="learned", **hyper)
    # The projection's own bias is one of them.
    assert model.count_params() - without == 6 * 6


SMALL: dict[str, dict[str, Any]] = {
    "deep_sets": {"phi": [6, 5], "rho": [7]},
    "interaction_network": {"relations": [5, 3], "objects": [4], "classifier": [6]},
    "interaction_network linear": {
        "pairs": "linear",
        "embed": [5],
        "relations": [5],
        "objects": [4],
        "classifier": [6],
    },
    "particlenet": {"neighbours": 3, "channels": [[4, 5], [6]], "hidden": [7]},
    "particlenet static": {
        "neighbours": 3,
        "channels": [[4, 5], [6]],
        "hidden": [7],
        "graph": "static",
    },
    "transformer": {
        "width": 6,
        "layers": 2,
        "heads": 2,
        "feed_forward": 5,
        "positions": "none",
    },
}


def small(label: str, places: int = 8, **changes: Any) -> Any:
    name = label.split()[0]
    hyper = {**SMALL[label], **changes}
    if name == "interaction_network":
        hyper.setdefault("pooling", "sum")
    return build(name, (places, 4), 3, **hyper)


@pytest.mark.parametrize("label", list(SMALL))
def test_what_stands_in_padding_changes_no_bit(label: str) -> None:
    model = scattered(small(label))
    x = masked_sets()
    told, other = (model.predict(events, verbose=0) for events in (x, with_rubbish(x)))
    np.testing.assert_array_equal(told, other)
    assert np.ptp(told, axis=0).min() > 1e-3


@pytest.mark.parametrize("label", list(SMALL))
def test_how_much_padding_there_is_changes_nothing(label: str) -> None:
    """Twice the places, no more objects; the mean over the places is half, and made up for."""
    model, longer = scattered(small(label)), small(label, 16)
    longer.set_weights(_of_length(model, longer))
    pooled = [layer for layer in longer.layers if "GlobalAveragePooling" in type(layer).__name__]
    after = {"pool": ("rho1", "classifier1", "dense1", "logits"), "total": ("sent",)}
    for pool in pooled:
        names = [layer.name for layer in longer.layers]
        first = next(name for name in after[pool.name] if name in names)
        kernel = longer.get_layer(first).kernel
        kernel.assign(2.0 * kernel)
    if label == "interaction_network":  # of 7 and of 15 senders: 1/8 and 1/16
        kernel = longer.get_layer("object1").kernel
        kernel.assign(np.concatenate([kernel.numpy()[:4], 2.0 * kernel.numpy()[4:]]))
    x = masked_sets()
    padded = np.concatenate([x, np.zeros_like(x)], axis=1)
    expected = model.predict(x, verbose=0)
    assert np.allclose(longer.predict(padded, verbose=0), expected, atol=1e-5)


def _of_length(model: Any, longer: Any) -> list[np.ndarray]:
    """Return the weights for a network of another length: constants its own, the rest taken."""
    known = {variable.path: variable for variable in model.variables}
    return [
        known[variable.path].numpy()
        if variable.path in known and known[variable.path].shape == variable.shape
        else variable.numpy()
        for variable in longer.weights
    ]


@pytest.mark.parametrize("label", list(SMALL))
def test_the_order_of_the_objects_counts_for_nothing(label: str) -> None:
    model = scattered(small(label))
    x = masked_sets()
    order = np.random.default_rng(4).permutation(8)
    expected = model.predict(x, verbose=0)
    assert np.allclose(model.predict(x[:, order], verbose=0), expected, atol=1e-5)


@pytest.mark.parametrize("positions", ["sinusoidal", "learned"])
def test_with_positions_the_order_counts(positions: str) -> None:
    model = scattered(small("transformer", positions=positions, dropout=0.0))
    x = masked_sets()
    assert not np.allclose(
        model.predict(x[:, ::-1], verbose=0), model.predict(x, verbose=0), atol=1e-3
    )
    told, other = (model.predict(events, verbose=0) for events in (x, with_rubbish(x)))
    np.testing.assert_array_equal(told, other)


@pytest.mark.parametrize("label", ["deep_sets", "interaction_network linear", "transformer"])
def test_padding_changes_no_bit_in_fixed_point(label: str) -> None:
    """And a table is never asked how little a masked score weighs: it is nothing."""
    from hgq.utils import trace_minmax

    nn = vocabularies.get("hgq")
    x = masked_sets()
    known = statistics.of(np.where(x[..., -1:] > 0, x, np.nan))
    nn.scaling = scaling.fit(known, ["standard"] * 3 + ["none"])
    changes = {"vocabulary": nn}
    if label == "transformer":
        changes |= {"normalization": "batch", "layers": 1, "dropout": 0.0}
    else:
        changes["activation"] = "relu"
    if label.startswith("interaction_network"):
        changes["pooling"] = "sum"
    model = scattered(small(label, **changes))
    trace_minmax(model, x, verbose=False)
    told, other = (model.predict(events, verbose=0) for events in (x, with_rubbish(x)))
    np.testing.assert_array_equal(told, other)
    if label == "transformer":
        import keras

        weights = keras.Model(model.inputs, model.get_layer("attention1_softmax").output)(x)
        absent = np.broadcast_to((x[..., -1] == 0)[:, None, None, :], weights.shape)
        assert (np.asarray(weights)[absent & (x[..., -1] > 0)[:, None, :, None]] == 0).all()


# What is refused


@pytest.mark.parametrize(
    ("name", "shape", "hyper", "message"),
    [
        ("deep_sets", (8,), {}, "deep-sets takes"),
        ("deep_sets", (8, 4), {"phi": []}, "at least one layer in phi"),
        ("interaction_network", (1, 4), {}, "of at least two"),
        ("interaction_network", (8, 4), {"pairs": "linear"}, "one layer in relations"),
        ("particlenet", (8, 8, 1), {}, "particlenet takes"),
        ("particlenet", (8, 4), {}, "16 neighbours of 8 objects; from 1 to 7"),
        ("particlenet", (20, 4), {"coordinates": [4]}, "none of the features"),
        ("transformer", (8,), {}, "transformer takes"),
        ("transformer", (8, 4), {"heads": 3}, "3 heads do not divide the width 512"),
    ],
)
def test_what_does_not_fit_is_refused(
    name: str, shape: tuple[int, ...], hyper: dict[str, Any], message: str
) -> None:
    with pytest.raises(RecipeError, match=message):
        build(name, shape, **hyper)


@pytest.mark.parametrize("vocabulary", ["hgq", "qkeras"])
def test_fixed_point_refuses_what_it_has_no_form_for(vocabulary: str) -> None:
    with pytest.raises(RecipeError, match="has no EdgeFeatures: choosing the nearest"):
        small("particlenet", vocabulary=vocabulary)
    with pytest.raises(RecipeError, match="LayerNormalization; set normalization: batch"):
        small("transformer", vocabulary=vocabulary)


def test_the_narrow_variants_say_that_they_are_masked() -> None:
    for name in ("deep_sets", "interaction_network", "particlenet", "transformer"):
        module = importlib.import_module(f"hepnn.architectures.{name}")
        assert all(narrow.masked for narrow in module.NARROW.values())
