"""The trials of a search: Optuna's study, in a journal that outlives a killed search.

One process writes it, whatever does the work. A trial enters it whole, in one line, before its
training begins. What is drawn for a trial follows from the seed, its number and the trials
before it alone, so that with one worker a search that was killed goes on as if it had not been.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hepnn.errors import RecipeError, RunError, missing_extra, nearest
from hepnn.recipe import Range
from hepnn.search import space as spaces

FILE = "journal.log"

METHODS = ("grid", "random", "tpe")
PRUNERS = ("none", "asha", "hyperband")

#: Of the trials that reach a rung, one in so many goes on.
FACTOR = 3

#: The first rung: this fraction of a trial's epochs.
FIRST_RUNG = FACTOR**-2

_STUDY = "hepnn"


class Journal:
    """A study that was opened or begun.

    Parameters
    ----------
    folder
        Where the journal lies; nobody else is at work there.
    ranges
        The space.
    directions
        Of each objective, whether less is better.
    method
        `grid`, `random`, or `tpe`: J. Bergstra et al., "Algorithms for Hyper-Parameter
        Optimization" (NeurIPS 2011), for several objectives Y. Ozaki et al. (JAIR 73, 2022).
    pruner
        `none`, `asha` (L. Li et al., arXiv:1810.05934) or `hyperband` (arXiv:1603.06560).
    seed
        Of what is drawn.
    epochs
        Of a trial.

    Raises
    ------
    MissingDependency
        If Optuna is not installed.
    RunError
        If the journal is damaged.
    """

    def __init__(
        self,
        folder: Path,
        ranges: spaces.Ranges,
        directions: Sequence[bool],
        *,
        method: str,
        pruner: str,
        seed: int,
        epochs: int,
    ) -> None:
        optuna = load_optuna()
        self.ranges = ranges
        self.method = method
        self.seed = seed
        self.epochs = epochs
        self._grid = spaces.grid(ranges) if method == "grid" else []
        self._distributions = {key: _distribution(one) for key, one in ranges.items()}
        path = folder / FILE
        _heal(path)
        self._arguments: dict[str, Any] = {
            "study_name": _STUDY,
            "directions": ["minimize" if less else "maximize" for less in directions],
            "pruner": _pruner(pruner, epochs),
        }
        backend = optuna.storages.journal.JournalFileBackend(str(path))
        try:
            self._study = optuna.create_study(
                storage=optuna.storages.JournalStorage(backend),
                sampler=self._sampler(0),
                load_if_exists=True,
                **self._arguments,
            )
        except (ValueError, KeyError, TypeError) as error:  # a line that is none of Optuna's
            raise RunError(f"{path} is damaged: {error}") from error

    @property
    def trials(self) -> list[Any]:
        """All trials, as Optuna has them."""
        return self._study.get_trials(deepcopy=False)

    @property
    def running(self) -> list[int]:
        """The numbers of trials that are begun and have no end."""
        return [trial.number for trial in self.trials if not trial.state.is_finished()]

    @property
    def study(self) -> Any:
        """Optuna's study."""
        return self._study

    def setting(self, number: int) -> dict[str, Any]:
        """Return what a trial sets, by dotted key."""
        params = self.trials[number].params
        return {
            key: params[key] if isinstance(one, Range) else json.loads(params[key])
            for key, one in self.ranges.items()
        }

    def propose(self) -> int | None:
        """Begin a trial; return its number, or None where every setting was tried."""
        optuna = load_optuna()
        trials = self.trials
        number = len(trials)
        if self.method == "grid":
            if number >= len(self._grid):
                return None
            params = self._encoded(self._grid[number])
        else:
            tried, size = {_key(trial.params) for trial in trials}, spaces.size(self.ranges)
            if len(tried) >= size:
                return None
            params = self._drawn(number, trials)
            if _key(params) in tried and np.isfinite(size):  # it needs no second training
                params = self._another(number, tried)
        trial = optuna.trial.create_trial(
            state=optuna.trial.TrialState.RUNNING,
            params=params,
            distributions=self._distributions,
        )
        self._study.add_trial(trial)
        return number

    def goes_on(self, number: int, epochs: int, value: float) -> bool:
        """Note what a trial has reached after so many epochs; say whether it shall go on.

        One that is stopped is ended here, and stays so where its worker was lost before it heard.
        What was noted before, by a worker that was lost, is not judged twice; nor is the last
        epoch, after which nothing is saved.
        """
        optuna = load_optuna()
        trial, known = self._trial(number), self.trials[number]
        if known.state.is_finished():
            return False
        if epochs in known.intermediate_values:
            return True
        trial.report(value, epochs)
        if epochs >= self.epochs or not trial.should_prune():
            return True
        self._study.tell(number, state=optuna.trial.TrialState.PRUNED)
        return False

    def complete(self, number: int, values: Sequence[float]) -> None:
        """End a trial with what it reached, one value an objective."""
        self._study.tell(number, list(values))

    def fail(self, number: int, why: str) -> None:
        """End a trial that could not be trained."""
        optuna = load_optuna()
        self._trial(number).set_user_attr("why", why)
        self._study.tell(number, state=optuna.trial.TrialState.FAIL)

    def _trial(self, number: int) -> Any:
        optuna = load_optuna()
        return optuna.trial.Trial(self._study, self.trials[number]._trial_id)  # noqa: SLF001

    def _sampler(self, number: int) -> Any:
        """Return the sampler of one trial: its random numbers are those of the number."""
        optuna = load_optuna()
        seed = int(np.random.SeedSequence([self.seed, number]).generate_state(1)[0])
        if self.method == "random":
            return optuna.samplers.RandomSampler(seed=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return optuna.samplers.TPESampler(seed=seed, constant_liar=True)

    def _drawn(self, number: int, trials: Sequence[Any]) -> dict[str, Any]:
        """Draw a setting beside the journal, so that it enters it whole."""
        optuna = load_optuna()
        beside = optuna.create_study(sampler=self._sampler(number), **self._arguments)
        beside.add_trials(trials)
        drawn = beside.ask(self._distributions).params
        # A step such as 0.1 is no binary fraction: what is drawn is what a grid would list.
        stepped = {key for key, one in self.ranges.items() if isinstance(one, Range) and one.step}
        return {key: round(value, 12) if key in stepped else value for key, value in drawn.items()}

    def _another(self, number: int, tried: set[str]) -> dict[str, Any]:
        """Draw a setting that was not tried, of a space of finite size that has some."""
        random = np.random.default_rng([self.seed, number])
        listed = {key: spaces.listing(one) or [] for key, one in self.ranges.items()}
        while True:
            drawn = {key: values[random.integers(len(values))] for key, values in listed.items()}
            params = self._encoded(drawn)
            if _key(params) not in tried:
                return params

    def _encoded(self, setting: Mapping[str, Any]) -> dict[str, Any]:
        return {
            key: setting[key] if isinstance(one, Range) else json.dumps(setting[key])
            for key, one in self.ranges.items()
        }


def load_optuna() -> Any:
    """Import Optuna, without its log.

    Raises
    ------
    MissingDependency
        If it is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise missing_extra("optuna", "scale", "searching") from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def insist(method: str, pruner: str, objectives: int) -> None:
    """See that method and pruner exist and take so many objectives.

    Raises
    ------
    RecipeError
        If not.
    """
    for noun, name, known in (("method", method, METHODS), ("pruner", pruner, PRUNERS)):
        if name not in known:
            raise RecipeError(f"unknown {noun} {name!r}; {nearest(name, known)}")
    if pruner != "none" and objectives > 1:
        raise RecipeError(
            f"--pruner {pruner} judges by one figure before the training's end, when no cost is "
            "known; with several objectives take --pruner none"
        )


def _heal(path: Path) -> None:
    """Take away what a killed search left: half a line at the end, and a lock that nobody holds."""
    path.with_name(path.name + ".lock").unlink(missing_ok=True)
    if path.exists():
        with path.open("rb+") as stream:
            content = stream.read()
            stream.truncate(content.rfind(b"\n") + 1)


def _distribution(one: Range | list[Any]) -> Any:
    optuna = load_optuna()
    if not isinstance(one, Range):  # a list or a mapping is a choice too
        return optuna.distributions.CategoricalDistribution([json.dumps(each) for each in one])
    if not one.whole:
        return optuna.distributions.FloatDistribution(one.low, one.high, log=one.log, step=one.step)
    return optuna.distributions.IntDistribution(
        int(one.low), int(one.high), log=one.log, step=int(one.step or 1)
    )


def _pruner(name: str, epochs: int) -> Any:
    optuna = load_optuna()
    least = max(1, round(epochs * FIRST_RUNG))
    if name == "asha":
        return optuna.pruners.SuccessiveHalvingPruner(least, FACTOR)
    if name == "hyperband":
        return optuna.pruners.HyperbandPruner(least, epochs, FACTOR)
    return optuna.pruners.NopPruner()


def _key(params: Mapping[str, Any]) -> str:
    return json.dumps(params, sort_keys=True)
