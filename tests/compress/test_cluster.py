"""Weights share a few values, in every engine and in the stages behind."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest
from clouds import small_recipe

from hepnn import files, pipeline
from hepnn.errors import RecipeError
from hepnn.recipe import Cluster, load

pytestmark = pytest.mark.usefixtures("tensorflow")


@pytest.mark.parametrize("initial", ["linear", "density", "kmeans++"])
def test_the_centroids_are_scikit_learns(initial: str) -> None:
    from sklearn.cluster import KMeans

    from hepnn.compress import cluster

    weights = np.sort(np.random.default_rng(1).normal(size=400))
    start = cluster._START[initial](weights, 7, np.random.default_rng(4))
    known = KMeans(7, init=start[:, None], n_init=1, tol=0, max_iter=300).fit(weights[:, None])
    expected = np.sort(known.cluster_centers_.ravel())
    np.testing.assert_allclose(cluster.centroids(weights, 7, initial, 4), expected, rtol=1e-9)


def test_where_kmeans_starts_is_the_papers() -> None:
    from hepnn.compress import cluster

    weights = np.sort(np.random.default_rng(1).normal(size=1000))
    linear = cluster._linear(weights, 5, None)
    assert linear[0] == weights[0] and linear[-1] == weights[-1]
    np.testing.assert_allclose(np.diff(linear), np.ptp(weights) / 4)
    density = cluster._density(weights, 5, None)
    below = [np.mean(weights < value) for value in density]
    np.testing.assert_allclose(below, [0.1, 0.3, 0.5, 0.7, 0.9], atol=2e-3)
    drawn = cluster._plus_plus(weights, 5, np.random.default_rng(0))
    assert len(np.unique(drawn)) == 5 and np.isin(drawn, weights).all()


def test_a_step_of_descent_moves_centroids_by_the_mean_gradient() -> None:
    """Plain gradient descent, by hand."""
    import keras

    from hepnn.compress import cluster

    keras.utils.set_random_seed(0)
    inputs = keras.Input((6,))
    model = keras.Model(inputs, keras.layers.Dense(4, use_bias=False, name="only")(inputs))
    cluster.plan(Cluster(clusters=3), model, None).prepare(model)
    before = model.get_layer("only").kernel.numpy()
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(10, 6)).astype(np.float32), rng.normal(size=(10, 4)).astype(np.float32)
    model.compile(keras.optimizers.SGD(0.1), "mse")
    model.train_on_batch(x, y)
    gradient = 2 * x.T @ (x @ before - y) / y.size
    expected = before.copy()
    for value in np.unique(before):
        members = before == value
        expected[members] = value - 0.1 * gradient[members].mean()
    after = model.get_layer("only").kernel.numpy()
    assert len(np.unique(after)) == 3
    np.testing.assert_allclose(after, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("engine", "method"),
    [("epoch", "hgq"), pytest.param("keras", "qkeras", marks=pytest.mark.long)],
)
def test_a_run_shares_values_and_keeps_zeros(
    engine: str, method: str, clouds_folder: Path, tmp_path: Path
) -> None:
    from hepnn.compress.kernels import prunable
    from hepnn.training import network

    recipe = small_recipe(clouds_folder)
    clustered = {"step": "cluster", "clusters": 5, "layers": {"dense1": 9}, "fit": {"epochs": 3}}
    recipe["compress"].insert(1, clustered)
    recipe["compress"][2] = {"step": "quantize", "method": method, "fit": {"epochs": 2}}
    recipe["fit"]["engine"] = engine
    run = pipeline.train(recipe, runs=tmp_path, name="shared")
    assert run.stages == ["float", "pruned", "clustered", "quantized"]
    pruned = prunable(network.of_run(run, "pruned"))
    zero = {name: kernel.numpy() == 0 for name, kernel in pruned.items()}
    for stage in ("clustered", "quantized"):
        model = network.of_run(run, stage)
        metrics = files.read_json(run.stage(stage) / "metrics.json")["storage"]
        used = []
        for name, count in (("dense1", 9), ("dense2", 5), ("logits", 5)):
            layer = model.get_layer(name)
            kernel = np.asarray(getattr(layer, "qkernel", layer.kernel), np.float32)
            assert not kernel[zero[name]].any()
            values, counts = np.unique(kernel, return_counts=True)
            assert len(values) <= count
            share = counts / kernel.size
            told = metrics["layers"][name]
            assert told["distinct"] == len(values)
            assert told["entropy_bits"] == pytest.approx(np.sum(share * -np.log2(share)))
            used.append(kernel)
        raw = b"".join(kernel.tobytes() for kernel in used)
        assert metrics["kernel_bytes"] == len(raw)
        assert zlib.decompress(zlib.compress(raw, 9)) == raw
        assert metrics["kernel_zlib_bytes"] == len(zlib.compress(raw, 9)) < len(raw) / 2
    history = (run.stage("clustered") / "history.csv").read_text().splitlines()
    assert len(history) == 4
    loose = files.read_json(run.stage("pruned") / "metrics.json")["storage"]
    assert metrics["entropy_bits"] < loose["entropy_bits"]


def test_what_cannot_be_clustered_is_refused(clouds_folder: Path) -> None:
    from hepnn.compress import cluster
    from hepnn.training import network

    recipe = small_recipe(clouds_folder)
    with pytest.raises(RecipeError, match="clusters"):
        load({**recipe, "compress": [{"step": "cluster", "clusters": 1}]})
    with pytest.raises(RecipeError, match="cluster comes after prune"):
        load({**recipe, "compress": [{"step": "cluster"}, {"step": "prune"}]})
    architecture = load(recipe).architecture
    model = network.assemble(architecture, (4,), (3,), "float", None)
    with pytest.raises(RecipeError, match="did you mean 'dense1'"):
        cluster.plan(Cluster(layers={"dense11": 4}), model, None)
