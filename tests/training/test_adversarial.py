"""Adversarial training: the steps as written out, in both drivers, resumed to the bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hepnn.errors import RecipeError
from hepnn.recipe import Adversary, Fit
from hepnn.run import Events

pytestmark = pytest.mark.usefixtures("tensorflow")

ENGINES = ("epoch", "keras")
LATENT = 3


@pytest.fixture(scope="module")
def made_of() -> Events:
    """Return two classes of events `(events, 2)`, shifted, with the noise they are made from."""
    return _two_classes(600)


def _two_classes(number: int, seed: int = 0) -> Events:
    rng = np.random.default_rng(seed)
    classes = rng.integers(0, 2, number)
    y = rng.normal(size=(number, 2)) * [0.5, 0.3] + np.where(classes, 1.0, -1.0)[:, None]
    x = np.concatenate([rng.normal(size=(number, LATENT)), np.eye(2)[classes]], axis=1)
    weight = np.ones(number, np.float32)
    return Events(x.astype(np.float32), y.astype(np.float32), weight)


def _generator(dropout: float = 0.0, units: int = 8, against: tuple[int, ...] = (8,)) -> Any:
    import keras

    from hepnn import architectures, vocabularies

    keras.utils.set_random_seed(4)
    judge = {"hidden": against, "pieces": 1, "dropout": dropout}
    build = architectures.get("gan")
    nn = vocabularies.get("float")
    return build((LATENT + 2,), (2,), nn=nn, hidden=[units], discriminator=judge)


def _plan(engine: str = "epoch", epochs: int = 3, **options: Any) -> Fit:
    return Fit(
        epochs=epochs,
        batch=150,
        engine=engine,  # type: ignore[arg-type]
        keep="last",
        learning_rate=0.01,
        adversary=Adversary(**options),
    )


def _fit(model: Any, events: Events, plan: Fit, **kwargs: Any) -> Any:
    from hepnn.training import fit

    return fit.fit(model, events, events, plan, loss=None, latent=LATENT, seed=3, **kwargs)


def _driven(model: Any, plan: Fit, steps: int = 1) -> Any:
    import keras

    from hepnn.training import rules

    driven = rules.wrap(model, plan, steps, LATENT)
    driven.compile(optimizer=keras.optimizers.SGD(0.1))
    driven.opponent = keras.optimizers.SGD(0.2)
    return driven


@pytest.mark.parametrize("saturating", [False, True])
def test_a_step_is_the_papers(made_of: Events, saturating: bool) -> None:
    """Algorithm 1 of arXiv:1406.2661 with gradients of the logarithms, written out."""
    import tensorflow as tf

    model = _generator()
    driven = _driven(model, _plan(saturating=saturating))
    x, y = (tf.constant(part[:50]) for part in (made_of.x, made_of.y))
    fixed = iter([tf.concat([tf.random.normal((50, LATENT)), x[:, LATENT:]], 1) for _ in "12"])
    noises = [next(fixed), next(fixed)]
    drawn = iter(noises)
    driven._fresh = lambda x: next(drawn)
    judge = driven.discriminator

    def real(events: Any) -> Any:
        return tf.sigmoid(judge([events, x[:, LATENT:]]))[:, 0]

    with tf.GradientTape() as tape:
        loss = -tf.reduce_mean(tf.math.log(real(y)) + tf.math.log(1 - real(model(noises[0]))))
    expected = [
        v - 0.2 * g
        for v, g in zip(
            judge.trainable_variables,
            tape.gradient(loss, judge.trainable_variables),
            strict=True,
        )
    ]
    before = [v.numpy() for v in judge.variables]
    for variable, value in zip(judge.trainable_variables, expected, strict=True):
        variable.assign(value)
    with tf.GradientTape() as tape:
        taken = real(model(noises[1]))
        wish = tf.math.log(1 - taken) if saturating else -tf.math.log(taken)
        of_generator = tf.reduce_mean(wish)
    gradients = tape.gradient(of_generator, model.trainable_variables)
    made = [v - 0.1 * g for v, g in zip(model.trainable_variables, gradients, strict=True)]
    for variable, value in zip(judge.variables, before, strict=True):
        variable.assign(value)

    logs = driven.train_step((x, y))
    for variable, value in zip(judge.trainable_variables, expected, strict=True):
        assert np.allclose(variable.numpy(), value, atol=1e-6)
    for variable, value in zip(model.trainable_variables, made, strict=True):
        assert np.allclose(variable.numpy(), value, atol=1e-6)
    assert float(logs["discriminator_loss"]) == pytest.approx(float(loss), rel=1e-5)
    assert float(logs["loss"]) == pytest.approx(float(of_generator), rel=1e-5)


def test_the_penalty_is_on_the_slope_at_real_events(made_of: Events) -> None:
    """A linear discriminator has the slope of its kernel everywhere."""
    import keras
    import tensorflow as tf

    driven = _driven(_generator(), _plan(penalty=3.0))
    events, label = keras.Input((2,)), keras.Input((2,))
    judge = keras.layers.Dense(1)
    driven.discriminator = keras.Model([events, label], judge(events))
    x, y = (tf.constant(part[:40]) for part in (made_of.x, made_of.y))
    real, penalty = driven._judge_real(y, x, None)
    assert float(penalty) == pytest.approx(1.5 * np.sum(judge.kernel.numpy() ** 2), rel=1e-5)
    assert np.allclose(real, driven.discriminator([y, x[:, LATENT:]])[:, 0])


def test_several_steps_of_the_discriminator_share_the_batch(made_of: Events) -> None:
    """Also where the last batch has fewer events than there are steps."""
    import tensorflow as tf

    driven = _driven(_generator(), _plan(steps=3))
    seen: list[Any] = []
    step = driven._discriminate
    driven._discriminate = lambda x, y, weight: (seen.append(y.numpy()), step(x, y, weight))
    for number in (7, 2):
        seen.clear()
        driven.train_step(tuple(tf.constant(part[:number]) for part in (made_of.x, made_of.y)))
        assert len(seen) == 3
        together = np.concatenate(seen)
        assert np.array_equal(np.sort(together, 0), np.sort(made_of.y[:number], 0))
    assert all(np.isfinite(variable.numpy()).all() for variable in driven.variables)


def test_weights_count_for_both_networks(made_of: Events) -> None:
    import tensorflow as tf

    def after(x: np.ndarray, y: np.ndarray, *weight: np.ndarray) -> list[np.ndarray]:
        driven = _driven(_generator(), _plan())
        driven._fresh = lambda x: x
        driven.train_step(tuple(tf.constant(part) for part in (x, y, *weight)))
        return [v.numpy() for v in driven.variables if "seed" not in v.path]

    first, second = made_of.x[:30], made_of.y[:30]
    weight = np.where(np.arange(30) < 10, 2.0, 1.0).astype(np.float32)
    weighted = after(first, second, weight)
    twice = np.concatenate([np.arange(10), np.arange(30)])
    for ours, theirs in zip(weighted, after(first[twice], second[twice]), strict=True):
        assert np.allclose(ours, theirs, atol=1e-6)


def test_the_noise_is_drawn_anew_and_on_the_grid(made_of: Events) -> None:
    from hepnn.tasks.generate import GRID

    driven = _driven(_generator(), _plan())
    first, second = (np.asarray(driven._fresh(made_of.x)) for _ in range(2))
    assert not np.array_equal(first, second)
    assert np.array_equal(first[:, LATENT:], made_of.x[:, LATENT:])
    noise = np.concatenate([first, second])[:, :LATENT] / GRID
    assert np.array_equal(noise, np.round(noise))
    assert abs(noise.std() * GRID - 1) < 0.05


def test_the_two_drivers_train_alike(made_of: Events, monkeypatch: pytest.MonkeyPatch) -> None:
    """But for the noise: XLA draws other random numbers than TensorFlow's own kernels."""
    from hepnn.training.adversarial import Adversarial

    monkeypatch.setattr(Adversarial, "_fresh", lambda self, x: x)
    models = []
    for engine in ENGINES:
        models.append(_generator())
        outcome = _fit(models[-1], made_of, _plan(engine, average=0.9))
        assert {"loss", "discriminator_loss", "val_discriminator_loss"} <= set(outcome.history)
    for ours, theirs in zip(models[0].variables, models[1].variables, strict=True):
        assert np.allclose(ours.numpy(), theirs.numpy(), atol=1e-5), ours.path


def test_the_classes_are_learnt() -> None:
    from hepnn.training import network

    model = _generator(units=16, against=(32, 32))
    events = _two_classes(2000)
    _fit(model, events, _plan(epochs=60, average=0.95, penalty=1.0, beta_1=0.0))
    fresh = _two_classes(4000, seed=9)
    z = network.predict(model, fresh.x)
    for number, middle in ((0, -1.0), (1, 1.0)):
        of_class = z[fresh.x[:, LATENT + number] == 1]
        assert np.allclose(of_class.mean(axis=0), middle, atol=0.1)
        assert np.allclose(of_class.std(axis=0), [0.5, 0.3], atol=0.1)


@pytest.mark.parametrize(("engine", "average"), [("epoch", 0.9), ("keras", 0.0)])
def test_a_killed_training_goes_on_with_the_same_bits(
    made_of: Events,
    engine: str,
    average: float,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Generator, discriminator, both optimizers, dropout and the noise to come."""
    from hepnn.training import checkpoint

    monkeypatch.setattr(checkpoint, "INTERVAL", 0.0)

    def stop(epoch: int, logs: Any) -> None:
        if epoch == 1:
            raise KeyboardInterrupt

    plan = _plan(engine, epochs=4, average=average)
    whole = _generator(dropout=0.4)
    of_whole = _fit(whole, made_of, plan)
    saved = tmp_path / "checkpoint.npz"
    with pytest.raises(KeyboardInterrupt):
        _fit(_generator(0.4), made_of, plan, checkpoint=saved, progress=stop)
    resumed = _generator(dropout=0.4)
    assert _fit(resumed, made_of, plan, checkpoint=saved).history == of_whole.history
    for ours, theirs in zip(resumed.variables, whole.variables, strict=True):
        assert np.array_equal(ours.numpy(), theirs.numpy()), ours.path


def test_only_the_generator_is_saved(made_of: Events, tmp_path: Path) -> None:
    from hepnn.training import network

    model = _generator()
    _fit(model, made_of, _plan(average=0.9))
    model.save(tmp_path / "model.keras")
    kept = network.load_model(tmp_path / "model.keras")
    assert [layer.name for layer in kept.layers] == ["inputs", "dense1", "event"]
    assert np.array_equal(network.predict(kept, made_of.x), network.predict(model, made_of.x))


def test_what_cannot_be_trained_so_is_refused(made_of: Events) -> None:
    import keras

    from hepnn.training import rules

    with pytest.raises(RecipeError, match="gan is trained by task: generate"):
        rules.wrap(_generator(), Fit())
    plain = keras.Sequential([keras.Input((LATENT,)), keras.layers.Dense(2)], name="mlp")
    with pytest.raises(RecipeError, match="mlp has no discriminator"):
        rules.wrap(plain, Fit(), latent=LATENT)
