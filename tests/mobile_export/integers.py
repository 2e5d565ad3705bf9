"""Integers that tell when someone calculates in float."""

from typing import Any

import numpy as np


class Integers(np.ndarray):
    """An array that refuses to be calculated with in float, or beside floats."""

    @classmethod
    def of(cls, array: Any) -> "Integers":
        """The array, so that it refuses."""
        return np.asarray(array).view(cls)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        assert all(np.asarray(array).dtype.kind in "biu" for array in inputs)
        inputs = tuple(_plain(array) for array in inputs)
        if "out" in options:
            options["out"] = tuple(_plain(array) for array in options["out"])
        return _guarded(getattr(ufunc, method)(*inputs, **options))

    def __array_function__(self, function: Any, types: Any, inputs: Any, options: Any) -> Any:
        inputs = tuple(_plain(array) for array in inputs)
        return _guarded(function(*inputs, **options))


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return type(value)(_plain(item) for item in value)
    return value.view(np.ndarray) if isinstance(value, Integers) else value


def _guarded(result: Any) -> Any:
    array = np.asarray(result)
    assert array.dtype.kind in "biu"
    return Integers.of(array)
