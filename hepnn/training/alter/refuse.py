"""Changes that the data cannot have are refused before anything is trained.

Of the card and the recipe alone: TensorFlow is not needed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hepnn import recipe as recipes
from hepnn.data.dataset import Dataset
from hepnn.errors import RecipeError
from hepnn.recipe import Fit, Recipe
from hepnn.training.alter.derived import Formula
from hepnn.training.alter.inputs import Inputs, of_data

#: Says what is wrong, in a few words; None where nothing is.
Need = Callable[[Inputs, Any], str | None]


def check(recipe: Recipe, data: Dataset) -> None:
    """See that the data can be changed as every fit of a recipe wants.

    Raises
    ------
    RecipeError
        One line: what cannot be, and why.
    """
    inputs = of_data(recipe, data)
    for stage in recipe.stages:
        check_fit(recipes.fit_of(recipe, stage), inputs)


def check_fit(plan: Fit, inputs: Inputs) -> None:
    """See that inputs can be changed as a fit wants.

    Raises
    ------
    RecipeError
        One line: what cannot be, and why.
    """
    for section in ("augment", "noise"):
        wanted = getattr(plan, section)
        for name in type(wanted).model_fields:
            settings = getattr(wanted, name)
            if settings is None:
                continue
            for need in (_from_data, *NEEDS[section, name]):
                wrong = need(inputs, settings)
                if wrong:
                    raise RecipeError(f"fit.{section}.{name}: {wrong}")


def _from_data(inputs: Inputs, settings: Any) -> str | None:
    if inputs.noisy:
        return f"task {inputs.task} makes events from random numbers, and has no input to change"
    return None


def _image(inputs: Inputs, settings: Any) -> str | None:
    return None if inputs.kind == "image" else _wants("images", inputs)


def _numbers(inputs: Inputs, settings: Any) -> str | None:
    return _wants("numbers", inputs) if inputs.kind == "tokens" else None


def _axis(inputs: Inputs, settings: Any) -> str | None:
    axes = {"image": 2, "sequence": 1}.get(inputs.kind, 0)
    if max(inputs.shape[:axes], default=1) > 1:
        return None
    return _wants("an axis that a frequency is of, as images and sequences have", inputs)


def _channels(inputs: Inputs, settings: Any) -> str | None:
    if inputs.shape[-1] > 1:
        return None
    return f"wants several channels; the images of dataset {inputs.dataset} have one"


def _classes(inputs: Inputs, settings: Any) -> str | None:
    return None if inputs.classes else f"wants labels that are classes; this is task {inputs.task}"


def _fits_in(inputs: Inputs, settings: Any) -> str | None:
    side = min(inputs.shape[:2])
    if settings.pixels < side:
        return None
    return f"{settings.pixels} pixels move all of an image of {side} away"


def _squares(inputs: Inputs, settings: Any) -> str | None:
    if settings.size is None:
        return None
    if inputs.kind != "image":
        return _wants("images for squares of a size", inputs)
    side = min(inputs.shape[:2])
    return None if settings.size < side else f"a square of {settings.size} hides images of {side}"


def _jets(inputs: Inputs, settings: Any) -> str | None:
    if inputs.kind != "sequence":
        return _wants("lists of a jet's constituents", inputs)
    momenta = inputs.group.get("momenta")
    if momenta is None:
        return f"wants momenta, and the card of dataset {inputs.dataset} names none (`momenta:`)"
    if not inputs.masked:
        return f"wants a mask of what is a constituent; dataset {inputs.dataset} has mask: false"
    absent = [name for name in ("pt", "eta", "phi") if momenta[name] not in inputs.names]
    if absent:
        return f"the inputs lack {momenta[absent[0]]!r}, the {absent[0]} of the constituents"
    for name, text in momenta["derived"].items():
        if name in inputs.names:
            known = [one for one in inputs.names if one not in momenta["derived"]]
            Formula(text, known, f"dataset {inputs.dataset}: momenta.derived.{name}")
    return None


def _wants(what: str, inputs: Inputs) -> str:
    are = {"features": "single numbers", "tokens": "tokens", "image": "images"}
    given = are.get(inputs.kind, "sequences")
    return f"wants {what}; the inputs of dataset {inputs.dataset} are {given}"


#: What each kind needs of the data.
NEEDS: dict[tuple[str, str], tuple[Need, ...]] = {
    ("augment", "flip"): (_image,),
    ("augment", "rotation"): (_image,),
    ("augment", "crop"): (_image,),
    ("augment", "shift"): (_image, _fits_in),
    ("augment", "colour"): (_image, _channels),
    ("augment", "contrast"): (_image,),
    ("augment", "jet_rotation"): (_jets,),
    ("augment", "jet_reflection"): (_jets,),
    ("augment", "smearing"): (_jets,),
    ("augment", "splitting"): (_jets,),
    ("noise", "labels"): (_classes,),
    ("noise", "gaussian"): (_numbers,),
    ("noise", "coloured"): (_axis,),
    ("noise", "occlusion"): (_squares,),
}
