"""numba where it is installed, plain Python where not: the same results, some hundred times slower."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])
HAS_NUMBA = find_spec("numba") is not None
ADVICE = (
    "numba is not installed: pip install 'home-energy-gateway[study]'"
    " makes the study some hundred times faster"
)
_numba: Any = import_module("numba") if HAS_NUMBA else None


def jit(function: F) -> F:
    """Compiled for one core."""
    return cast("F", _numba.njit(cache=True)(function)) if HAS_NUMBA else function


def parallel(function: F) -> F:
    """Compiled for all cores; loops over `prange` are shared among them."""
    return cast("F", _numba.njit(cache=True, parallel=True)(function)) if HAS_NUMBA else function


prange: Any = _numba.prange if HAS_NUMBA else range
