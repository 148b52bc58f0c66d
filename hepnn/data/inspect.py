"""A look at a dataset before anything is trained on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from hepnn.data import dataset as datasets


def summarize(name: str | Path) -> dict[str, Any]:
    """Return names, units and ranges of the features, and the classes with their events."""
    data = datasets.load(name)
    x = data.events.x.reshape(-1, data.events.x.shape[-1]).astype(np.float64)
    features = [
        {
            "feature": feature.name,
            "unit": feature.unit,
            "min": f"{np.min(column):.5g}",
            "mean": f"{column.mean():.5g}",
            "std": f"{column.std():.5g}",
            "max": f"{np.max(column):.5g}",
        }
        for feature, column in zip(data.features, x.T, strict=True)
    ]
    classes = [
        {
            "class": name,
            "events": int((data.events.y == number).sum()),
            "weight": float(data.events.weight[data.events.y == number].sum()),
        }
        for number, name in enumerate(data.classes)
    ]
    return {
        "name": data.name,
        "title": data.title,
        "events": len(data.events),
        "shape": list(data.events.x.shape[1:]),
        "fingerprint": data.fingerprint,
        "features": features,
        "classes": classes,
    }
