"""Batches are changed in training alone, alike in both drivers, and alike after a kill."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from changes import changed, image_inputs, table_inputs

from hepnn.errors import RecipeError
from hepnn.recipe import Architecture, Fit
from hepnn.run import Events

pytestmark = pytest.mark.usefixtures("tensorflow")

SECTIONS = {
    "noise": {"labels": {"rate": 0.1}, "gaussian": {"sigma": 0.3}, "occlusion": {"rate": 0.1}}
}


class _Killed(Exception):
    pass


def _fit(
    events: Events, engine: str, sections: dict[str, Any], epochs: int = 4, **known: Any
) -> tuple[Any, Any]:
    import keras

    from hepnn.data import scaling
    from hepnn.data.feed import Memory
    from hepnn.tasks.classify import Classify
    from hepnn.training import fit, network
    from hepnn.training.alter.alteration import Alteration

    keras.utils.set_random_seed(1)
    grid = scaling.standard(events.x)
    model = network.assemble(
        Architecture(name="mlp", hidden=[8]), events.x.shape[1:], (3,), "float", grid
    )
    plan = Fit.model_validate(
        {"epochs": epochs, "batch": 300, "engine": engine, "keep": "last", **sections}
    )
    inputs = table_inputs(events.x.shape[1], offset=grid["offset"], width=2.0 ** grid["exponent"])
    clean = Events(events.x[:500], events.y[:500], events.weight[:500])
    outcome = fit.fit(
        model,
        Memory(events),
        clean,
        plan,
        loss=Classify().loss(),
        metrics=Classify().metrics(),
        seed=3,
        altered=Alteration(plan, inputs),
        **known,
    )
    return model, outcome


def test_both_engines_give_the_same_numbers(events: Events) -> None:
    weight = np.where(events.y == 0, 2.0, 0.5).astype(np.float32)
    weighted = Events(events.x, events.y, weight)
    loop, of_loop = _fit(weighted, "epoch", SECTIONS)
    keras_fit, of_fit = _fit(weighted, "keras", SECTIONS)
    for key in of_loop.history:
        assert of_loop.history[key] == pytest.approx(of_fit.history[key], rel=5e-3, abs=5e-3), key
    assert of_loop.history["loss"][0] == pytest.approx(of_fit.history["loss"][0], rel=1e-4)
    for ours, theirs in zip(loop.trainable_variables, keras_fit.trainable_variables, strict=True):
        assert np.allclose(ours.numpy(), theirs.numpy(), atol=5e-3), ours.path
    _, plain = _fit(weighted, "epoch", {})
    assert of_loop.history["loss"][-1] > plain.history["loss"][-1] + 0.03
    for model in (loop, keras_fit):
        assert "train_step" not in vars(model)


@pytest.mark.parametrize("engine", ["epoch", "keras"])
def test_a_resumed_fit_has_the_same_bits(
    events: Events, engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hepnn.training import checkpoint

    monkeypatch.setattr(checkpoint, "INTERVAL", 0.0)
    whole, of_whole = _fit(events, engine, SECTIONS)

    def kill(epoch: int, logs: dict[str, float]) -> None:
        if epoch == 1:
            raise _Killed

    path = tmp_path / "checkpoint.npz"
    with pytest.raises(_Killed):
        _fit(events, engine, SECTIONS, checkpoint=path, progress=kill)
    resumed, of_resumed = _fit(events, engine, SECTIONS, checkpoint=path)
    assert of_resumed.history == of_whole.history
    for ours, theirs in zip(resumed.variables, whole.variables, strict=True):
        assert np.array_equal(ours.numpy(), theirs.numpy()), ours.path


def test_every_step_is_changed_in_its_own_way() -> None:
    x = np.zeros((50, 4), np.float32)
    inputs = table_inputs(4)
    noise = {"gaussian": {"sigma": 1.0}}
    first, _ = changed(inputs, x, noise=noise, step=0)
    again, _ = changed(inputs, x, noise=noise, step=0)
    second, _ = changed(inputs, x, noise=noise, step=1)
    assert np.array_equal(first, again)
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.2


def test_steps_are_counted_where_the_loss_is_scaled() -> None:
    import keras
    import tensorflow as tf

    from hepnn.training import optimizers
    from hepnn.training.alter.alteration import Alteration

    plan = Fit(precision="mixed_float16", noise={"gaussian": {"sigma": 1.0}})
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile(optimizers.optimizer(plan, 1), "mse")
    seen, step = [], model.train_step
    vars(model)["train_step"] = lambda data: (seen.append(data[0].numpy()), step(data))
    Alteration(plan, table_inputs(4)).attach(model, seed=1)
    for _ in range(2):
        model.train_step((tf.zeros((50, 4)), tf.zeros((50, 1))))
    assert abs(np.corrcoef(*(one.ravel() for one in seen))[0, 1]) < 0.2


def test_what_is_reconstructed_has_the_augmentation_and_no_noise() -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 16, (40, 8, 8, 1)).astype(np.float32)
    known = {"offset": np.array([4.0]), "width": np.array([8.0])}
    inputs = image_inputs(x.shape[1:], reconstructs=True, **known)
    z = (x - 4.0) / 8.0
    noisy, target = changed(inputs, x, z, noise={"gaussian": {"sigma": 0.5}})
    assert np.array_equal(target, z) and not np.allclose(noisy, x)
    flip = {"flip": {"horizontal": True}}
    flipped, target = changed(inputs, x, z, augment=flip)
    assert np.array_equal(target, (flipped - 4.0) / 8.0) and not np.array_equal(target, z)
    noisy, both = changed(inputs, x, z, augment=flip, noise={"gaussian": {"sigma": 0.5}})
    assert np.array_equal(both, target) and not np.allclose(noisy, flipped)


REFUSED = [
    ("digits", "fit.augment.jet_rotation={}", "wants lists of a jet's constituents"),
    ("digits", "fit.augment.colour.gain=0.2", "wants several channels"),
    ("digits", "fit.augment.shift.pixels=8", "move all of an image of 8 away"),
    ("digits", "fit.noise.occlusion.size=8", "a square of 8 hides images of 8"),
    ("spirals", "fit.augment.flip={}", "wants images; the inputs of dataset spirals are single"),
    ("spirals", "fit.noise.coloured.sigma=1", "wants an axis"),
    ("jets/constituents", "fit.augment.flip={}", "wants images"),
    ("heavy-flavour", "fit.augment.smearing={}", "names none"),
    ("function", "fit.noise.labels.rate=0.1", "wants labels that are classes"),
]


@pytest.mark.parametrize(("dataset", "setting", "message"), REFUSED)
def test_what_the_data_cannot_have_is_refused(dataset: str, setting: str, message: str) -> None:
    from hepnn import recipe as recipes
    from hepnn.data.dataset import open_dataset
    from hepnn.training.alter import refuse

    task = "regress" if dataset == "function" else "classify"
    content = {"name": "x", "dataset": dataset, "task": task, "architecture": {"name": "mlp"}}
    content["task"] = {"name": task}
    loaded = recipes.load(content, dict([recipes.parse_override(setting)]))
    with pytest.raises(RecipeError) as refused:
        refuse.check(loaded, open_dataset(dataset))
    assert message in str(refused.value)
    assert str(refused.value).startswith(setting.split("=")[0].rsplit(".", 1)[0][:8])
    assert "\n" not in str(refused.value)


def test_a_jet_without_its_azimuth_is_not_turned() -> None:
    from hepnn import recipe as recipes
    from hepnn.data.dataset import open_dataset
    from hepnn.training.alter import refuse

    chosen = ["pt", "along"]
    loaded = recipes.load(
        {
            "name": "x",
            "dataset": "jets/constituents",
            "inputs": chosen,
            "architecture": {"name": "deep_sets"},
            "fit": {"augment": {"jet_rotation": {}}},
        }
    )
    with pytest.raises(RecipeError, match="the inputs lack 'across', the phi"):
        refuse.check(loaded, open_dataset("jets/constituents", chosen))


def test_what_has_one_place_has_no_frequency() -> None:
    from hepnn.training.alter.alteration import Alteration

    plan = Fit(noise={"coloured": {"sigma": 1.0}})
    with pytest.raises(RecipeError, match="wants an axis that a frequency is of"):
        Alteration(plan, image_inputs((1, 1, 3)))
    Alteration(plan, image_inputs((1, 2, 3)))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("fit.noise.labels.rate=1.5", "fit.noise.labels.rate"),
        ("fit.noise.gauss.sigma=1", "unknown key 'fit.noise.gauss'"),
        ("fit.augment.rotation={}", "fit.augment.rotation.degrees"),
        ("fit.noise.occlusion.patches=2", "give either rate or size"),
        ("fit.noise.gaussian.sigma=.inf", "fit.noise.gaussian.sigma: Input should be a finite"),
        ("fit.augment.smearing.scale=.inf", "fit.augment.smearing.scale: Input should be a finite"),
    ],
)
def test_a_bad_setting_is_one_line(setting: str, message: str) -> None:
    from hepnn import recipe as recipes

    content = {"name": "x", "dataset": "digits", "architecture": {"name": "lenet5"}}
    with pytest.raises(RecipeError) as refused:
        recipes.load(content, dict([recipes.parse_override(setting)]))
    assert message in str(refused.value) and "\n" not in str(refused.value)


def test_a_card_with_a_wrong_momentum_is_refused() -> None:
    from hepnn import declarations
    from hepnn.data.card import Sequence

    card = {"kind": "sequence", "length": 3, "features": [{"name": "pt"}, {"name": "eta"}]}
    with pytest.raises(RecipeError, match="no feature 'phi'"):
        momenta = {"pt": "pt", "eta": "eta", "phi": "phi"}
        declarations.parse(Sequence, {**card, "momenta": momenta}, "card")


def test_a_formula_takes_nothing_but_numbers_and_features() -> None:
    from hepnn.training.alter.derived import Formula

    for text in ("__import__('os')", "pt.x", "pt[0]", "log(pt, 2)", "open(pt)", "other + 1", "1 +"):
        with pytest.raises(RecipeError):
            Formula(text, ["pt"], "card")
