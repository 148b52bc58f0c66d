"""A small dataset with a known structure: three overlapping clouds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

FEATURES = ["mass", "width", "count", "shape"]
CLASSES = ["low", "middle", "high"]


def three_clouds(events: int = 3000, seed: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Return three overlapping Gaussian clouds in quantities of very different size."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, events)
    z = rng.normal(size=(events, 4)) + np.array([-1.5, 0.0, 1.5])[y, None] * [1, -1, 1, 0]
    x = z * [30.0, 0.02, 8.0, 0.5] + [80.0, 0.1, 40.0, -1.0]
    x[:, 2] = np.round(x[:, 2])
    return x.astype(np.float32), y.astype(np.int32)


def write_card(folder: Path, **changes: object) -> Path:
    """Write the card of a Parquet dataset of the three clouds."""
    card = {
        "name": "clouds",
        "title": "Three clouds",
        "source": {"format": "parquet", "files": ["events.parquet"]},
        "inputs": {"features": {"features": [{"name": name} for name in FEATURES]}},
        "labels": {"column": "kind", "classes": CLASSES},
        "licence": "Apache-2.0",
        **changes,
    }
    path = folder / "dataset.yaml"
    path.write_text(yaml.safe_dump(card))
    return path


def write_events(folder: Path, x: np.ndarray, y: np.ndarray) -> Path:
    """Write events as Parquet, a column a feature."""
    columns = dict(zip(FEATURES, x.T, strict=True))
    path = folder / "events.parquet"
    pq.write_table(pa.table({**columns, "kind": y}), path)
    return path


def small_recipe(dataset: Path) -> dict[str, object]:
    """Return a recipe that trains in seconds: float, pruned, quantized."""
    return {
        "name": "clouds",
        "dataset": str(dataset),
        "architecture": {"name": "mlp", "hidden": [8, 8]},
        "fit": {"epochs": 12, "batch": 256, "learning_rate": 0.01},
        "compress": [
            {"step": "prune", "sparsity": 0.5, "fit": {"epochs": 6}},
            {"step": "quantize", "beta": {"last": 1e-5}, "fit": {"epochs": 6}},
        ],
        "targets": [],
    }
