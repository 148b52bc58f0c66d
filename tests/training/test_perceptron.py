"""The perceptron rule: against its formula, Novikoff's bound, and what it cannot learn."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from hepnn import architectures, vocabularies
from hepnn.errors import RecipeError
from hepnn.recipe import Fit
from hepnn.run import Events

pytestmark = pytest.mark.usefixtures("tensorflow")

CORNERS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
GATES = {"and": [0, 0, 0, 1], "or": [0, 1, 1, 1], "xor": [0, 1, 1, 0]}


def network(**hyper: Any) -> Any:
    nn = vocabularies.get("float")
    return architectures.get("perceptron")((2,), (2,), nn=nn, **{"initializer": "zeros", **hyper})


def taught(model: Any, rate: float = 1.0) -> Any:
    """Return the network inside the rule, compiled."""
    import keras

    from hepnn.training import rules

    driven = rules.wrap(model, Fit(rule="perceptron", optimizer="sgd"))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    driven.compile(optimizer=keras.optimizers.SGD(rate), loss=loss, weighted_metrics=["accuracy"])
    return driven


def weights(model: Any) -> np.ndarray:
    """Return the weights of the response units, the bias last: `(inputs + 1, units)`."""
    response = model.get_layer("response")
    return np.vstack([response.kernel.numpy(), response.bias.numpy()])


def by_hand(
    w: np.ndarray, x: np.ndarray, y: np.ndarray, rate: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Return the weights after one example, and whether each unit was wrong."""
    extended = np.append(x, 1.0)
    output = (extended @ w >= 0).astype(float)
    error = np.eye(2)[y] - output
    return w + rate * np.outer(extended, error), error != 0


@pytest.mark.parametrize("gate", GATES)
def test_every_step_is_the_formula(gate: str) -> None:
    model = network(initializer={"name": "normal", "sigma": 1.0})
    driven = taught(model, rate=0.5)
    expected = weights(model).astype(float)
    order = np.random.default_rng(3).integers(0, 4, 40)
    for number in order:
        expected, _ = by_hand(expected, CORNERS[number], GATES[gate][number], 0.5)
        driven.train_step((CORNERS[[number]], np.array([GATES[gate][number]])))
        assert np.allclose(weights(model), expected, atol=1e-5)


def test_a_batch_sums_the_changes_and_weights_its_examples() -> None:
    model = network(initializer={"name": "constant", "value": 0.5})
    driven = taught(model)
    before = weights(model)
    y, importance = np.array([0, 1, 1, 0]), np.array([1.0, 2.0, 0.5, 3.0], np.float32)
    driven.train_step((CORNERS, y, importance))
    changes = [
        share * (by_hand(before, x, label)[0] - before)
        for x, label, share in zip(CORNERS, y, importance, strict=True)
    ]
    assert np.allclose(weights(model), before + np.sum(changes, axis=0))


@pytest.mark.parametrize("gate", ["and", "or"])
@pytest.mark.parametrize("order", list(itertools.permutations(range(4)))[::5])
def test_it_converges_within_novikoffs_bound(gate: str, order: tuple[int, ...]) -> None:
    """At most (R / margin)^2 changes, with the examples extended by the bias's 1."""
    # The widest margin of a plane through the origin, by hand: weights (2, 2, -3) and (2, 2, -1).
    best = np.array([2, 2, -3] if gate == "and" else [2, 2, -1])
    extended = np.hstack([CORNERS, np.ones((4, 1))])
    sign = np.where(np.array(GATES[gate]) == 1, 1, -1)
    margin = np.min(sign * (extended @ best)) / np.linalg.norm(best)
    bound = (extended**2).sum(axis=1).max() / margin**2
    model = network()
    driven, changed = taught(model), np.zeros(2)
    for number in order * 30:
        before = weights(model)
        driven.train_step((CORNERS[[number]], np.array([GATES[gate][number]])))
        changed += np.any(weights(model) != before, axis=0)
    assert np.all(changed <= bound)
    # Each unit answers for its class alone, and right.
    assert np.array_equal(model(CORNERS), np.eye(2)[GATES[gate]])


def test_exclusive_or_goes_round_in_circles() -> None:
    """Whole weights, bounded, so that they come back: and no weights are right about all."""
    model = network()
    driven, seen = taught(model), []
    for _ in range(40):
        for x, y in zip(CORNERS, GATES["xor"], strict=True):
            driven.train_step((x[None], np.array([y])))
        right = np.argmax(model(CORNERS), axis=1) == GATES["xor"]
        assert right.sum() <= 3
        seen.append(tuple(weights(model).ravel()))
    assert len(set(seen)) < len(seen) / 3
    again = seen.index(seen[-1])
    assert again < len(seen) - 1
    # A unit of any weights: Minsky and Papert.
    w = np.random.default_rng(0).normal(size=(3, 20_000))
    fires = np.hstack([CORNERS, np.ones((4, 1))]) @ w >= 0
    assert (fires == np.array(GATES["xor"], bool)[:, None]).sum(axis=0).max() == 3


def test_random_association_units_make_exclusive_or_learnable() -> None:
    import keras

    keras.utils.set_random_seed(2)
    model = network(association=20)
    fixed = model.get_layer("association").kernel.numpy()
    driven = taught(model)
    for number in np.random.default_rng(1).integers(0, 4, 600):
        driven.train_step((CORNERS[[number]], np.array([GATES["xor"][number]])))
    assert np.array_equal(np.argmax(model(CORNERS), axis=1), GATES["xor"])
    assert np.array_equal(model.get_layer("association").kernel, fixed)


@pytest.mark.parametrize(
    ("threshold", "strengths", "gate"),
    [(2, (1, 1), [0, 0, 0, 1]), (1, (1, 1), [0, 1, 1, 1]), (0, (-1, 0), [1, 1, 0, 0])],
)
def test_mcculloch_and_pitts_neurons_are_gates(
    threshold: int, strengths: tuple[int, int], gate: list[int]
) -> None:
    """And, or, not of the first: the sum reaches the threshold."""
    model = network()
    response = model.get_layer("response")
    response.kernel.assign(np.array([strengths] * 2).T)
    response.bias.assign([-threshold] * 2)
    assert np.array_equal(model(CORNERS)[:, 0], gate)


@pytest.mark.parametrize("vocabulary", vocabularies.VOCABULARIES)
@pytest.mark.parametrize("engine", ["epoch", "keras"])
def test_both_engines_and_every_vocabulary_learn_a_gate(vocabulary: str, engine: str) -> None:
    import keras

    from hepnn.tasks.classify import Classify
    from hepnn.training import fit

    keras.utils.set_random_seed(1)
    nn = vocabularies.get(vocabulary)
    start = {"name": "constant", "value": 1}
    model = architectures.get("perceptron")((2,), (2,), nn=nn, initializer=start)
    events = Events(np.tile(CORNERS, (5, 1)), np.tile(GATES["and"], 5), np.ones(20, np.float32))
    plan = Fit(
        rule="perceptron", optimizer="sgd", learning_rate=0.25, batch=1, epochs=6, engine=engine
    )
    outcome = fit.fit(
        model, events, events, plan, loss=Classify().loss(), metrics=Classify().metrics()
    )
    assert outcome.history["val_accuracy"][-1] == 1.0
    assert np.array_equal(np.argmax(model.predict(CORNERS, verbose=0), axis=1), GATES["and"])


def test_a_network_without_threshold_units_is_refused() -> None:
    nn = vocabularies.get("float")
    model = architectures.get("mlp")((2,), (2,), nn=nn)
    with pytest.raises(RecipeError, match="fit.rule: perceptron trains threshold units; mlp"):
        taught(model)


def test_another_optimizer_than_descent_is_refused() -> None:
    from hepnn import declarations

    with pytest.raises(RecipeError, match="takes optimizer: sgd"):
        declarations.parse(Fit, {"rule": "perceptron"}, "fit")
