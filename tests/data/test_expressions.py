"""Expressions give what numpy, awkward and vector give, and nothing else can be said in them."""

from __future__ import annotations

import random
from typing import Any

import awkward as ak
import numpy as np
import pytest
import vector

from hepnn.data.expressions import Expression, flat
from hepnn.data.functions import FUNCTIONS
from hepnn.errors import DataError, RecipeError

N = 200


@pytest.fixture(scope="module")
def columns() -> dict[str, Any]:
    """Return columns of every kind; every seventh event has empty lists."""
    rng = np.random.default_rng(1)
    counts = rng.integers(0, 5, N)
    counts[::7] = 0

    def jagged(values: np.ndarray) -> ak.Array:
        return ak.unflatten(values, counts)

    size = int(counts.sum())
    return {
        "x": rng.normal(size=N),
        "y": rng.uniform(0.5, 3, N).astype(np.float32),
        "k": rng.integers(-5, 9, N),
        "unsigned": rng.integers(0, 9, N).astype(np.uint32),
        "charge": rng.choice(np.array([-1, 1], np.int8), N),
        "good": rng.uniform(size=N) > 0.4,
        "lost": np.where(rng.uniform(size=N) > 0.5, np.nan, 1.0),
        "cell": rng.normal(size=(N, 3)),
        "square": rng.normal(size=(N, N)),
        "image": rng.integers(0, 255, (N, 4, 5)).astype(np.uint8),
        "pt": jagged(rng.exponential(30, size)),
        "eta": jagged(rng.normal(size=size)),
        "phi": jagged(rng.uniform(-np.pi, np.pi, size)),
        "mass": jagged(rng.uniform(0, 5, size)),
        "q": jagged(rng.choice([-1, 1], size).astype(np.int8)),
        "tight": jagged(rng.uniform(size=size) > 0.5),
        "bits": jagged(rng.integers(0, 8, size)),
        "class": rng.integers(0, 3, N),
        "odd.name": rng.normal(size=N),
        "kind": np.array(["signal", "background"] * (N // 2), dtype=object),
    }


def value(text: str, columns: dict[str, Any]) -> Any:
    return Expression(text)(columns)


def same(found: Any, expected: Any) -> bool:
    if isinstance(expected, ak.Array):
        return bool(ak.almost_equal(found, expected, rtol=1e-12, atol=1e-12))
    return np.allclose(found, expected, rtol=1e-12, atol=1e-12, equal_nan=True)


class Written:
    """Random arithmetic: its text, and the same computed by numpy on the way."""

    def __init__(self, seed: int, columns: dict[str, Any]) -> None:
        self.random = random.Random(seed)
        self.columns = {name: columns[name] for name in ("x", "y", "k", "lost")}

    def sum(self, depth: int) -> tuple[str, Any]:
        choice = self.random.randrange(9) if depth else self.random.randrange(2)
        if choice == 0:
            number = self.random.choice([2, 3, 0.5, 1.25])
            return str(number), number
        if choice == 1:
            name = self.random.choice(list(self.columns))
            return name, self.columns[name].astype(np.float64)
        a, u = self.sum(depth - 1)
        if choice == 2:
            power = self.random.choice([2, 3, -1, 0.5])
            return f"({a}) ** {power}", np.float64(u) ** power
        if choice == 3:
            name = self.random.choice(["exp", "sin", "arcsinh", "abs", "floor", "tanh"])
            return f"{name}({a})", getattr(np, name)(u)
        if choice == 4:
            return f"-({a})", -np.float64(u)
        b, v = self.sum(depth - 1)
        u, v = np.float64(u), np.float64(v)
        if choice == 5:
            return f"(({a}) if ({a}) < ({b}) else ({b}))", np.where(u < v, u, v)
        if choice == 6:
            return f"hypot({a}, {b})", np.hypot(u, v)
        sign = self.random.choice(["+", "-", "*", "/", "%", "//"])
        made = {
            "+": np.add,
            "-": np.subtract,
            "*": np.multiply,
            "/": np.divide,
            "%": np.mod,
            "//": np.floor_divide,
        }[sign](u, v)
        return f"({a}) {sign} ({b})", made


@pytest.mark.parametrize("block", range(6))
def test_random_arithmetic_is_numpy_s(block: int, columns: dict[str, Any]) -> None:
    doubles = {k: v.astype(np.float64) for k, v in columns.items() if k in ("x", "y", "k", "lost")}
    for seed in range(50 * block, 50 * block + 50):
        text, expected = None, None
        with np.errstate(all="ignore"):
            text, expected = Written(seed, columns).sum(4)
        found = flat(value(text, doubles), N)
        assert np.allclose(found, expected, rtol=1e-10, atol=0, equal_nan=True), text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x + k * 2 - 1", lambda c: c["x"] + c["k"] * 2 - 1),
        ("k // 3 + k % 3", lambda c: c["k"] // 3 + c["k"] % 3),
        ("-x ** 2", lambda c: -(c["x"] ** 2)),
        ("0 < x <= 1", lambda c: (c["x"] > 0) & (c["x"] <= 1)),
        ("x > 0 and good or k == 2", lambda c: ((c["x"] > 0) & c["good"]) | (c["k"] == 2)),
        ("(x > 0) & good | (k != 2)", lambda c: ((c["x"] > 0) & c["good"]) | (c["k"] != 2)),
        ("not good", lambda c: ~c["good"]),
        ("~good", lambda c: ~c["good"]),
        ("x if good else -1", lambda c: np.where(c["good"], c["x"], -1)),
        ("where(x > 0, 1, k)", lambda c: np.where(c["x"] > 0, 1, c["k"])),
        ("clip(x, -0.5, 1)", lambda c: np.clip(c["x"], -0.5, 1)),
        ("arctan2(x, y)", lambda c: np.arctan2(c["x"], c["y"])),
        ("isnan(lost)", lambda c: np.isnan(c["lost"])),
        ("isfinite(lost / 0)", lambda c: np.zeros(N, bool)),
        ("2 * pi + x", lambda c: 2 * np.pi + c["x"]),
        ("round(x)", lambda c: np.round(c["x"])),
        ("class == 1", lambda c: c["class"] == 1),
        ('column("odd.name") * 2', lambda c: c["odd.name"] * 2),
        ("cell[:, 0] + cell[:, -1]", lambda c: c["cell"][:, 0] + c["cell"][:, 2]),
        ("cell * x", lambda c: c["cell"] * c["x"][:, None]),
        ("square * x", lambda c: c["square"] * c["x"][:, None]),
        ("sum(sum(image)) / 255", lambda c: c["image"].sum((1, 2)) / 255),
        ("image[:, 1, 2:4] * 2", lambda c: c["image"][:, 1, 2:4].astype(int) * 2),
        ("std(cell)", lambda c: c["cell"].std(1)),
        ("cell[argsort(cell)]", lambda c: np.sort(c["cell"])),
        ("cell[argmax(cell)]", lambda c: c["cell"].max(1)),
        ("sum(cell > 0)", lambda c: (c["cell"] > 0).sum(1)),
    ],
)
def test_columns_of_numbers_go_as_in_numpy(
    text: str, expected: Any, columns: dict[str, Any]
) -> None:
    if text.startswith("class"):
        text = text.replace("class", 'column("class")')
    assert same(value(text, columns), expected(columns))


def listed(columns: dict[str, Any], name: str) -> list[list[float]]:
    return columns[name].to_list()


@pytest.mark.parametrize(
    ("text", "reduce", "empty"),
    [
        ("sum(pt)", sum, 0),
        ("min(pt)", min, np.nan),
        ("max(pt)", max, np.nan),
        ("mean(pt)", np.mean, np.nan),
        ("std(pt)", np.std, np.nan),
        ("num(pt)", len, 0),
        ("count(pt)", len, 0),
        ("any(pt > 30)", lambda pt: any(one > 30 for one in pt), False),
        ("all(pt > 30)", lambda pt: all(one > 30 for one in pt), True),
        ("count(pt > 30)", lambda pt: sum(one > 30 for one in pt), 0),
        ("sum(pt[pt > 30])", lambda pt: sum(one for one in pt if one > 30), 0),
        ("first(pt)", lambda pt: pt[0], np.nan),
        ("first(pt, -1)", lambda pt: pt[0], -1),
        ("first(sort(-pt))", lambda pt: -max(pt), np.nan),
        ("sum(leading(pt, 2))", lambda pt: sum(pt[:2]), 0),
        ("sum(pt[:, :2])", lambda pt: sum(pt[:2]), 0),
        ("argmax(pt)", np.argmax, -1),
        ("pt[argmax(pt)]", max, np.nan),
        ("pt[argmin(pt)]", min, np.nan),
        ("sum(pt * x) / x", sum, 0),
    ],
)
def test_a_list_is_reduced_as_by_a_loop_over_events(
    text: str, reduce: Any, empty: float, columns: dict[str, Any]
) -> None:
    expected = [reduce(pt) if pt else empty for pt in listed(columns, "pt")]
    found = value(text, columns)
    assert isinstance(found, np.ndarray) and found.shape == (N,)
    assert np.allclose(found, expected, equal_nan=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pt * cosh(eta)", lambda c: c["pt"] * np.cosh(c["eta"])),
        ("pt[tight]", lambda c: c["pt"][c["tight"]]),
        (
            "eta[(pt > 20) & (abs(eta) < 1)]",
            lambda c: c["eta"][(c["pt"] > 20) & (abs(c["eta"]) < 1)],
        ),
        ("pt - x", lambda c: c["pt"] - c["x"]),
        ("pt > 20 if tight else pt > 40", lambda c: c["pt"] > ak.where(c["tight"], 20, 40)),
        ("where(good, pt, 0)", lambda c: c["pt"] * c["good"]),
        ("eta[argsort(-pt)]", lambda c: c["eta"][ak.argsort(c["pt"], ascending=False)]),
        ("sort(eta)", lambda c: ak.sort(c["eta"])),
        ("(bits & 2) > 0", lambda c: (c["bits"] & 2) > 0),
        ("bits | 4", lambda c: c["bits"] | 4),
        ("pt[:, 1:]", lambda c: c["pt"][:, 1:]),
        ("q + 1 == 2", lambda c: c["q"] == 1),
        ("pairs(q)[0] * pairs(q)[1]", lambda c: pair(c["q"], np.multiply)),
    ],
)
def test_lists_go_as_in_awkward(text: str, expected: Any, columns: dict[str, Any]) -> None:
    assert value(text, columns).to_list() == expected(columns).to_list()


def pair(lists: ak.Array, operation: Any) -> ak.Array:
    first, second = ak.unzip(ak.combinations(lists, 2))
    return operation(first, second)


def test_a_number_an_event_goes_with_all_members_of_the_event_s_list() -> None:
    # As many events as members: numpy alone would match numbers with places.
    columns = {"scale": np.array([1.0, 2.0]), "cell": np.array([[1.0, 1.0], [1.0, 1.0]])}
    assert value("cell * scale", columns).tolist() == [[1, 1], [2, 2]]
    assert value("scale * cell", columns).tolist() == [[1, 1], [2, 2]]
    assert value("mean(cell) + cell", columns).tolist() == [[2, 2], [2, 2]]


def test_small_whole_numbers_do_not_overflow(columns: dict[str, Any]) -> None:
    unsigned, charge = columns["unsigned"].astype(int), columns["charge"].astype(int)
    assert np.array_equal(value("unsigned - 5", columns), unsigned - 5)
    assert np.array_equal(value("charge * 1000", columns), charge * 1000)
    assert np.array_equal(value("good + good", columns), columns["good"] * 2)
    assert np.array_equal(
        value("max(image[:, 0]) * 2", columns), columns["image"][:, 0].max(1) * 2.0
    )
    assert value("sqrt(charge * charge)", columns).dtype == np.float64
    assert np.array_equal(value("unsigned > -1", columns), np.ones(N, bool))


def test_floats_keep_their_precision(columns: dict[str, Any]) -> None:
    assert value("y * 2 + 1", columns).dtype == np.float32
    assert value("sqrt(y)", columns).dtype == np.float32
    assert value("y ** 2", columns).dtype == np.float32
    assert value("y", columns) is columns["y"]


def momenta(c: dict[str, Any]) -> Any:
    return vector.zip({name: c[name] for name in ("pt", "eta", "phi", "mass")})


P4 = "p4(pt, eta, phi, mass)"


def test_four_momenta_are_vector_s(columns: dict[str, Any]) -> None:
    p = momenta(columns)
    names = ["pt", "px", "py", "pz", "E", "energy", "eta", "phi", "mass", "m", "rapidity", "mt"]
    for name in [*names, "theta"]:
        assert same(value(f"{P4}.{name}", columns), getattr(p, name)), name
    whole = ak.sum(p, axis=1)
    assert same(value(f"sum({P4}).mass", columns), whole.mass.to_numpy())
    first, second = ak.unzip(ak.combinations(p, 2))
    both = f"(pairs({P4})[0] + pairs({P4})[1])"
    assert same(value(f"{both}.mass", columns), (first + second).mass)
    assert same(
        value(f"max({both}.mass)", columns),
        ak.fill_none(ak.max((first + second).mass, axis=1), np.nan).to_numpy(),
    )
    assert same(value(f"delta_r(pairs({P4})[0], pairs({P4})[1])", columns), first.deltaR(second))
    assert same(
        value(f"delta_phi(pairs({P4})[0], pairs({P4})[1])", columns), first.deltaphi(second)
    )
    chosen = f"{P4}[pt > 20]"
    assert same(value(f"{chosen}.pt", columns), p[p.pt > 20].pt)
    assert value(f"num({chosen})", columns).tolist() == ak.num(p[p.pt > 20]).to_list()
    leading = value(f"first({P4}).E", columns)
    assert same(leading, ak.fill_none(ak.firsts(p).energy, np.nan).to_numpy())


def test_cartesian_four_momenta_give_a_mass_in_closed_form(columns: dict[str, Any]) -> None:
    c = dict(columns) | {"E": np.abs(columns["x"]) + columns["y"].astype(float)}
    found = value("p4_xyz(x, 0, 0, E).mass", c)
    assert same(found, np.sqrt(c["E"] ** 2 - c["x"] ** 2))
    difference = value("(p4_xyz(x, 0, 0, E) - p4_xyz(x, 0, 0, 0)).E", c)
    assert same(difference, c["E"])


def test_single_precision_momenta_keep_the_mass_of_a_boosted_pair() -> None:
    pt, eta, phi = 2000.0, 2.4, 0.01
    c = {
        "a": np.array([pt], np.float32),
        "eta": np.array([eta], np.float32),
        "phi": np.array([phi], np.float32),
    }
    found = value("(p4(a, eta, phi, 0) + p4(a, eta, -phi, 0)).mass", c)
    exact = np.sqrt(2 * pt * pt * (1 - np.cos(2 * float(c["phi"][0]))))
    assert abs(found[0] / exact - 1) < 1e-9


def test_angles_are_wrapped(columns: dict[str, Any]) -> None:
    c = {"a": np.array([3.0, -3.0, 0.1]), "b": np.array([-3.0, 3.0, 0.2])}
    expected = np.angle(np.exp(1j * (c["a"] - c["b"])))
    assert np.allclose(value("delta_phi(a, b)", c), expected)


def test_an_event_s_momentum_goes_with_a_list_s(columns: dict[str, Any]) -> None:
    c = dict(columns) | {"met": columns["y"].astype(float), "metphi": columns["x"]}
    p = momenta(c)
    met = vector.zip({"pt": c["met"], "eta": np.zeros(N), "phi": c["metphi"], "mass": np.zeros(N)})
    assert same(value(f"delta_r({P4}, p4(met, 0, metphi, 0))", c), p.deltaR(met))
    assert same(value(f"({P4} + p4(met, 0, metphi, 0)).mass", c), (p + met).mass)


def test_names_are_the_columns_that_are_needed() -> None:
    text = 'sum(pt[abs(eta) < 2.5]) / column("odd.name") + pi * (a if b else c)'
    assert Expression(text).names == {"pt", "eta", "odd.name", "a", "b", "c"}
    assert Expression("class").names == {"class"}
    assert Expression("max(max)").names == {"max"}


HOSTILE = [
    "__import__('os')",
    "__import__('os').system('true')",
    "().__class__",
    "().__class__.__bases__[0].__subclasses__()",
    "x.__array__",
    "x.__class__.__mro__",
    "x.tofile('f')",
    "x.dtype",
    "p4(pt, eta, phi, mass).layout",
    "(lambda: 1)()",
    "lambda: x",
    "[1 for i in x]",
    "{i for i in x}",
    "(i for i in x)",
    "{1: x}",
    "[x, y]",
    "(x, y)",
    "f'{x}'",
    "'text'",
    "b'bytes'",
    "x == 'signal'",
    "column(x)",
    "column('a', 'b')",
    "column(f'{x}')",
    "(z := 1)",
    "z = 1",
    "import os",
    "open('f')",
    "eval('1')",
    "exec('1')",
    "getattr(x, 'dtype')",
    "globals()",
    "print(x)",
    "sum(x)(y)",
    "sum.call",
    "sqrt(*x)",
    "sqrt(x=1)",
    "sqrt(**x)",
    "sqrt()",
    "hypot(x)",
    "min(x, y)",
    "x @ y",
    "x << 3",
    "x ^ y",
    "x is y",
    "x in y",
    "x ** 17",
    "9**9**9",
    "x ** k",
    "x ** (8 + 9)",
    "1e999",
    "10000000000000000000000",
    "9" * 1990,
    "1j",
    "...",
    "None",
    "await x",
    "yield x",
    "x[0]",
    "x[1:3]",
    "x[0, :]",
    "x[:, k]",
    "x[:, 0.5]",
    "x[:, None]",
    "x[...]",
    "x[:]",
    "pairs(x)",
    "pairs(x)[2]",
    "__x",
    "x;y",
    "x\x00",
    "",
    "   ",
    "x +",
    "(" * 60 + "x" + ")" * 60 + ")",
    "-" * 60 + "x",
    "-" * 1990 + "x",
    "abs(" * 60 + "x" + ")" * 60,
    "(" * 900 + "x" + ")" * 900,
    "x" + "+x" * 60,
    "x" * 2001,
    "a > 1 & b > 2",
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:30])
def test_anything_but_arithmetic_is_refused_when_it_is_read(text: str) -> None:
    with pytest.raises(RecipeError) as refused:
        Expression(text, "dataset.yaml: selection")
    assert str(refused.value).startswith("dataset.yaml: selection: ")
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 1000


def test_errors_name_the_nearest() -> None:
    with pytest.raises(RecipeError, match="no function 'sqr'; did you mean 'sqrt'"):
        Expression("sqr(x)")
    with pytest.raises(RecipeError, match="no attribute 'masss'; did you mean 'mass'"):
        Expression("p.masss")
    with pytest.raises(RecipeError, match=r'column\("class"\)'):
        Expression("class == 1")
    with pytest.raises(DataError, match="^f.root: no column 'Jet_pT'; did you mean 'Jet_pt'"):
        Expression("Jet_pT")({"Jet_pt": 1, "Jet_eta": 2}, "f.root")
    many = {f"branch{number}": 1 for number in range(1000)}
    with pytest.raises(DataError, match="and 988 more$"):
        Expression("zzz")(many, "f.root")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sum(x)", "one value an event where a list is needed"),
        ("pt + leading(pt, 1)", "broadcast"),
        ("cell + image[:, 0]", "broadcast"),
        ("pt[:, 0]", "of 200 lists are too short; first"),
        ("cell[:, 3]", "out of bounds"),
        ("x[good]", "choose events"),
        ("pt[good]", "choose events"),
        ("pt[eta]", "not by floats"),
        ("kind + 1", "texts"),
        ("kind == 1", "texts"),
        ("x.pt", "four-momenta are needed"),
        (f"{P4} * 2", "only"),
        (f"sqrt({P4})", "numbers are needed"),
        (f"{P4} > 0", "numbers are needed"),
        ("x & y", "brackets missing"),
        ("good & k", "brackets missing"),
        ("~k", "conditions only"),
        ("k // 0", "divided by zero"),
        ("k % unsigned", "divided by zero"),
        ("leading(pt, 0.5)", "whole number"),
        ("p4(1, 2, 3, 4).pt", "constants"),
    ],
)
def test_an_operation_that_fails_says_where_in_one_line(
    text: str, said: str, columns: dict[str, Any]
) -> None:
    with pytest.raises(DataError, match=said) as failed:
        Expression(text)(columns, "events.root")
    assert str(failed.value).startswith("events.root: ")
    assert "\n" not in str(failed.value)


def test_flat_is_one_number_an_event_or_an_error(columns: dict[str, Any]) -> None:
    assert np.array_equal(flat(value("x * 2", columns), N), columns["x"] * 2)
    assert flat(value("x > 0", columns), N).dtype == bool
    assert flat(value("1 + 1", columns), N).tolist() == [2.0] * N
    assert flat(value(f"sum({P4}).mass", columns), N).shape == (N,)
    for text, said in [
        ("pt", r"lists.*sum\(...\)"),
        ("cell", "lists"),
        (f"{P4}", "four-momenta"),
        (f"sum({P4})", "four-momenta"),
        ("kind", "texts"),
        ("x", f"{N} values for {N + 1} events"),
    ]:
        with pytest.raises(DataError, match=f"^features.z: .*{said}"):
            flat(value(text, columns), N + (said[0] == "2"), "features.z")


def test_every_function_has_a_line_of_its_own_and_can_be_called(columns: dict[str, Any]) -> None:
    places = {
        "p4": P4,
        "p4_xyz": "p4_xyz(pt, eta, phi, mass)",
        "delta_r": f"delta_r({P4}, {P4})",
        "column": 'column("x")',
        "pairs": "pairs(pt)[0]",
        "leading": "leading(pt, 2)",
        "where": "where(tight, pt, eta)",
    }
    for name, function in FUNCTIONS.items():
        assert function.description and "\n" not in function.description
        fewest, _ = function.counts
        text = places.get(name) or f"{name}({', '.join(['pt', 'eta', 'phi'][:fewest])})"
        assert value(text, columns) is not None


def test_lists_of_one_length_and_of_any_length_agree(columns: dict[str, Any]) -> None:
    fixed = {"cell": columns["cell"], "x": columns["x"]}
    jagged = fixed | {"cell": ak.from_regular(ak.Array(columns["cell"]))}
    for text in (
        "sum(cell)",
        "min(cell)",
        "std(cell)",
        "num(cell)",
        "first(cell)",
        "cell[:, 1]",
        "argmax(cell)",
        "cell[argmin(cell)]",
        "sum(cell[cell > 0] * x)",
        "sum(cell * x)",
        "any(cell > 1)",
        "sum(leading(sort(cell), 2))",
    ):
        assert np.allclose(value(text, fixed), value(text, jagged)), text
    none = {"cell": np.empty((4, 0))}
    empty = {"cell": ak.Array([[], [], [], []])}
    for text in (
        "sum(cell)",
        "min(cell)",
        "mean(cell)",
        "first(cell)",
        "argmax(cell)",
        "num(cell)",
    ):
        assert np.allclose(value(text, none), value(text, empty), equal_nan=True), text


def test_no_event_is_no_problem() -> None:
    columns = {"x": np.empty(0), "pt": ak.Array([[1.0]])[:0], "cell": np.empty((0, 3))}
    for text in ("x + 1", "sum(pt)", "max(pt * x)", "first(pt)", "cell[:, 0]", "pt[argmax(pt)]"):
        assert flat(value(text, columns), 0).shape == (0,), text
