"""What training batches are changed by before the network sees them: augmentation, then noise.

A kind is a key of `fit.augment` or `fit.noise` and a row here: a function

    change(batch, settings, inputs, draws) -> batch

of one module, which says the equation and the source. It runs inside the compiled train step of
either driver, with random numbers that follow from the seed, the step and the kind alone. The
network, what it is validated on, and what is exported know nothing of it.
"""

from __future__ import annotations

AUGMENT = {
    "flip": "hepnn.training.alter.flip:change",
    "rotation": "hepnn.training.alter.rotation:change",
    "crop": "hepnn.training.alter.crop:change",
    "shift": "hepnn.training.alter.shift:change",
    "colour": "hepnn.training.alter.colour:change",
    "contrast": "hepnn.training.alter.contrast:change",
    "jet_rotation": "hepnn.training.alter.jet_rotation:change",
    "jet_reflection": "hepnn.training.alter.jet_reflection:change",
    "smearing": "hepnn.training.alter.smearing:change",
    "splitting": "hepnn.training.alter.splitting:change",
}

NOISE = {
    "labels": "hepnn.training.alter.labels:change",
    "gaussian": "hepnn.training.alter.gaussian:change",
    "coloured": "hepnn.training.alter.coloured:change",
    "occlusion": "hepnn.training.alter.occlusion:change",
}
