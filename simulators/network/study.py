"""The whole study: seeds over processes or Dask, and one result that the report and JSON are made of."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from gateway.errors import ConfigError
from simulators.network.data_year import fitted_curve
from simulators.network.experiments import saturation
from simulators.network.fast import ADVICE, HAS_NUMBA
from simulators.network.history import first_state, make_case, play
from simulators.network.loop_gain import loop_gain
from simulators.network.public_data import data_folder
from simulators.network.scenario import Scenario
from simulators.network.seed import Order, run_seed
from simulators.network.supply import SupplyCurve, merit_order, parametric

# So many home-years are played home by home; a larger study is played by rows that stand for many.
EVERY_HOME_YEARS = 2_000_000
SAMPLE_ROWS = 2_000
_WITHOUT_NUMBA_ROWS = 40


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for."""

    scenario: Scenario
    homes: int
    years: tuple[int, ...]
    seeds: int
    data: Path | None = None
    dask: str | None = None
    rows: int | None = None  # None: every home where that takes minutes, else a sample

    @property
    def played_rows(self) -> int:
        """Rows of homes that are simulated one by one."""
        if self.rows is not None:
            return min(self.rows, self.homes)
        small = self.homes * len(self.years) * self.seeds <= EVERY_HOME_YEARS
        return self.homes if small else min(self.homes, SAMPLE_ROWS)


def check(request: Request) -> None:
    """ConfigError where the request cannot be carried out."""
    if not HAS_NUMBA and request.played_rows > _WITHOUT_NUMBA_ROWS:
        raise ConfigError(f"{ADVICE}; without it, ask for --rows {_WITHOUT_NUMBA_ROWS} at most")


def orders(request: Request, curve: SupplyCurve) -> list[Order]:
    return [
        Order(request.scenario, request.homes, request.played_rows, request.years, seed, curve)
        for seed in range(1, request.seeds + 1)
    ]


def supply_of(request: Request) -> SupplyCurve:
    """The curve that the study uses."""
    market = request.scenario.market
    if market.supply == "merit order":
        return merit_order(market)
    if market.supply == "fitted":
        folder = data_folder(request.data)
        if folder is None:
            raise ConfigError(
                "market.supply = 'fitted' needs public data: name its folder with --data"
            )
        return fitted_curve(market, folder)
    return parametric(market, scarcity=request.scenario.switches.scarcity)


def run_orders(
    wanted: Sequence[Order], dask: str | None, done: Callable[[], None]
) -> list[dict[str, Any]]:
    """Carry out all orders, in order; on Dask where its scheduler's address is given."""
    if dask is not None:
        return _on_dask(wanted, dask, done)
    workers = min(len(wanted), os.cpu_count() or 1)
    if workers <= 1:
        return [_told(run_seed(order), done) for order in wanted]
    with (
        _one_thread_each(),
        ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool,
    ):
        return [_told(found, done) for found in pool.map(run_seed, wanted)]


def _told(found: dict[str, Any], done: Callable[[], None]) -> dict[str, Any]:
    done()
    return found


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Workers that share the cores do not each take all of them."""
    before = os.environ.get("NUMBA_NUM_THREADS")
    os.environ["NUMBA_NUM_THREADS"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["NUMBA_NUM_THREADS"]
        else:
            os.environ["NUMBA_NUM_THREADS"] = before


def _on_dask(
    wanted: Sequence[Order], address: str, done: Callable[[], None]
) -> list[dict[str, Any]]:
    try:
        client_of: Any = import_module("distributed").Client
    except ImportError:
        raise ConfigError(
            "--dask: Dask is not installed: pip install 'home-energy-gateway[study]'"
        ) from None
    try:
        client = client_of(address, timeout=10)
    except (OSError, ValueError, TimeoutError) as error:
        raise ConfigError(f"--dask {address}: no scheduler answers there: {error}") from None
    with client:
        futures = client.map(run_seed, wanted, pure=False)
        return [_told(future.result(), done) for future in futures]


@dataclass(frozen=True, slots=True)
class Turned:
    """What one switch does to the answers, one seed."""

    switch: str
    usd_per_kwh_alone: float  # the first home's
    usd_per_kwh_all: float  # when all homes have storage
    mean_price: float
    loop_gain: float


SWITCH_ROWS = 150


def turned(request: Request, name: str | None) -> Turned:
    """The answers with one switch turned; None: with none."""
    chosen = request if name is None else switched(request, name)
    rows = min(request.homes, SWITCH_ROWS)
    first = request.years[0]
    case = make_case(chosen.scenario, request.homes, rows, 1, first, supply_of(chosen))
    year = play(case, first_state(case))
    alone, everybody = (saturation(case, first, n) for n in (1, request.homes))
    return Turned(
        name or "as it is",
        alone.usd_per_kwh_year,
        everybody.usd_per_kwh_year,
        float(year.result.price.mean()),
        loop_gain(case, year)["total"],
    )


SWITCHED = (
    "price_response", "scarcity", "grid_batteries", "hardware_learning", "retail_feedback", "credits",
    "imitation", "charging", "nacs", "night_plan", "data_centre",
)  # fmt: skip


def switched(request: Request, name: str) -> Request:
    """The same with one part of the story turned off (or on, where it is off)."""
    now = getattr(request.scenario.switches, name)
    switches = request.scenario.switches.model_copy(update={name: not now})
    return replace(request, scenario=request.scenario.model_copy(update={"switches": switches}))
