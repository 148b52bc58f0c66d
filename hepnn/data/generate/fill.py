"""As many rows as are wanted, from batches of events that hold more or fewer of them."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from hepnn.errors import DataError

BATCHES_WITHOUT_A_ROW = 50


def fill(batches: Iterable[pa.Table], rows: int, what: str) -> pa.Table:
    """Join batches until there are enough rows; the surplus of the last one is dropped.

    Parameters
    ----------
    batches : iterable of Table
        Without end.
    rows : int
        How many are wanted.
    what : str
        Card and kind of event, for the message.

    Raises
    ------
    DataError
        When many batches after one another hold no row.

    Examples
    --------
    >>> fill([pa.table({"x": [1, 2]})] * 9, 3, "")["x"].to_pylist()
    [1, 2, 1]
    """
    parts: list[pa.Table] = []
    found = idle = 0
    for batch in batches:
        idle = 0 if len(batch) else idle + 1
        if idle == BATCHES_WITHOUT_A_ROW:
            raise DataError(f"{what}: none in {idle} batches of events")
        parts.append(batch)
        found += len(batch)
        if found >= rows:
            break
    return pa.concat_tables(parts).slice(0, rows).combine_chunks()
