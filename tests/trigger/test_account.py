"""The account: every event once."""

from __future__ import annotations

import numpy as np
import pytest

from hepnn.trigger.account import Account, mixed


def settled(*fates: tuple[str, list[int]], entered: int = 6) -> Account:
    account = Account()
    account.enter(np.arange(entered))
    for fate, numbers in fates:
        account.settle(fate, np.array(numbers), "why" if fate in ("dropped", "failed") else "")
    return account


def test_every_event_once_balances() -> None:
    account = settled(("accepted", [5]), ("rejected", [1, 0]), ("dropped", [3, 2]), ("failed", [4]))
    assert account.balances and account.open == 0
    assert account.document()["reasons"] == {"dropped: why": 2, "failed: why": 1}


@pytest.mark.parametrize("numbers", [[0, 1, 2, 3, 4], [0, 1, 2, 3, 4, 4], [0, 1, 2, 3, 4, 5, 5]])
def test_a_lost_or_doubled_event_does_not_balance(numbers: list[int]) -> None:
    assert not settled(("accepted", numbers)).balances


def test_the_mixing_is_splitmix64() -> None:
    # The first outputs of the reference implementation for the seed 0.
    expected = ["0xe220a8397b1dcdaf", "0x6e789e6aa1b965f4", "0x06c45d188009454f"]
    assert [f"{int(z):#018x}" for z in mixed(np.arange(3))] == expected
