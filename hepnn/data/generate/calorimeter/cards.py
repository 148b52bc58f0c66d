"""What the calorimeter datasets' author says in their data cards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hepnn.data.generate.calorimeter import Settings

CLASSES = ("light", "b")

ROWS, COLUMNS, MAX_ETA = 64, 64, 3.2

DISPLACED = 3.0

# In the order of the stored channel's number.
CHANNELS = {
    "electromagnetic": "of electromagnetic towers",
    "hadronic": "of hadronic towers",
    "prompt": f"of tracks with an impact parameter below {DISPLACED:g} errors",
    "displaced": "of tracks with a larger one",
}

LIMITS = [
    "A parametrized detector with ideal particle flow: a track's particle leaves nothing in the "
    "calorimeters, showers stay in one tower, no material, no noise in empty towers.",
    "No pile-up.",
    "c jets count as light; the flavour of a jet is that of its hadrons.",
    "The seam is where no jet lies, at random; that is, azimuth is not the detector's.",
    "Not for measurements: no cross sections, weights or systematic variations.",
]


def cards(settings: Settings) -> dict[str, dict[str, Any]]:
    """Describe the datasets."""
    channels = [
        {
            "name": name,
            "expression": f"pt * (channel == {number})",
            "unit": "GeV",
            "scaling": "asinh",
            "description": f"transverse momentum {what} in the cell",
        }
        for number, (name, what) in enumerate(CHANNELS.items())
    ]
    image = {
        "kind": "image",
        "shape": [ROWS, COLUMNS, len(CHANNELS)],
        "pixels": {
            "rows": {"expression": "row", "range": [0, ROWS]},
            "columns": {"expression": "column", "range": [0, COLUMNS]},
            "channels": channels,
        },
    }
    shared = {
        "splits": {"train": 0.7, "validation": 0.15, "test": 0.15, "seed": 1},
        "licence": "CC-BY-4.0",
        "limits": LIMITS,
    }
    boxes = {
        "title": "Jets to be found in pictures of whole events in the calorimeter",
        "inputs": {"image": image},
        "labels": {
            "kind": "boxes",
            "column": "boxes",
            "classes": list(CLASSES),
            "length": settings.boxes,
        },
    }
    masks = {
        "title": "Cells of jets to be marked in pictures of whole events in the calorimeter",
        "inputs": {"image": image},
        "labels": {
            "kind": "mask",
            "column": "mask",
            "classes": ["none", *CLASSES],
            "shape": [ROWS, COLUMNS],
        },
    }
    return {"": boxes | shared, "segmentation": masks | shared}
