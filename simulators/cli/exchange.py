"""``energy-sim exchange``: the energy exchange alone, with its simulated buyers."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from simulators.supply import Supply

if TYPE_CHECKING:
    from gateway.clock import Clock, WallClock
    from simulators.exchange import PriceSource
    from simulators.participants import Need


@dataclass(frozen=True)
class Place:
    """Where the exchange listens and keeps its state."""

    host: str
    port: int
    state: Path
    insecure: bool
    client_ca: Path | None
    supply: Supply


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("exchange")(exchange)


def exchange(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 = a free port")] = 8900,
    state: Annotated[Path, typer.Option(help="folder of its store")] = Path("exchange-state"),
    insecure: Annotated[bool, typer.Option("--insecure", help="plain HTTP on loopback")] = False,
    host: Annotated[str, typer.Option(help="address to listen on")] = "127.0.0.1",
    data: Annotated[Path | None, typer.Option(help="CSV with recorded prices")] = None,
    seed: Annotated[int, typer.Option(help="of prices and participants")] = 1,
    start: Annotated[str | None, typer.Option(help="begin then, e.g. 2026-06-01T06:00:00Z")] = None,
    rate: Annotated[float, typer.Option(min=0.001, help="simulated seconds per second")] = 1.0,
    roadmap: Annotated[
        Path | None, typer.Option(help="CSV date,exaflops of the data centre")
    ] = None,
    participants: Annotated[bool, typer.Option(help="let the network's buyers trade")] = True,
    supply: Annotated[
        Supply,
        typer.Option(help="how the retailer sells: at one price, or dearer the more is asked"),
    ] = Supply.BACKSTOP,
    client_ca: Annotated[
        Path | None, typer.Option(help="mutual TLS: this CA's clients only (--no-participants)")
    ] = None,
    cluster: Annotated[
        Path | None, typer.Option(help="run on NATS and PostgreSQL as this file says")
    ] = None,
    role: Annotated[
        str | None, typer.Option(help="of a cluster only this: leader, shard:N or edge:N")
    ] = None,
    clock_words: Annotated[str | None, typer.Option("--clock", hidden=True)] = None,
) -> None:
    """Run the exchange until Ctrl-C; its state survives and goes on at the next start.

    Example: energy-sim exchange --insecure --start 2026-06-01T06:00:00Z --rate 60
    """
    from gateway.clock import WallClock, wall_clock_of
    from gateway.errors import ConfigError
    from simulators.data import read_csv
    from simulators.prices import SyntheticPrices

    _log()
    if client_ca is not None and (insecure or participants):
        raise ConfigError("--client-ca is for TLS, and the simulated buyers have no certificate:"
                          " add --no-participants, leave --insecure out")  # fmt: skip
    if role is not None and cluster is None:
        raise ConfigError(f"--role {role} is of a cluster: add --cluster FILE (docs/cluster.md)")
    recording = read_csv(data) if data is not None else None
    begin = _begin(start, None if recording is None else recording.start)
    prices = SyntheticPrices(seed) if recording is None else recording.prices
    if cluster is not None:
        clock = WallClock(begin, rate) if clock_words is None else wall_clock_of(clock_words)
        how = cluster, role, insecure, client_ca, supply, seed, data, participants
        _run_cluster(clock, prices, *how)
        return
    place = Place(host, port, state, insecure, client_ca, supply)
    needs = _needs(seed, roadmap)
    _run(WallClock(_going_on(begin, state), rate), place, prices, needs if participants else [])


def _log() -> None:
    """What is lost, and that it is back, with the time; else what wants to be looked at."""
    logging.basicConfig(
        format="%(asctime)s %(levelname)-7s %(message)s", datefmt="%H:%M:%S", level=logging.WARNING
    )
    logging.getLogger("gateway.supervise").setLevel(logging.INFO)


def _run_cluster(clock: WallClock, prices: PriceSource, *how: Any) -> None:
    from gateway.errors import ConfigError

    try:
        from simulators.exchange.cluster.command import Roles, run_cluster
    except ImportError as error:
        raise ConfigError(
            f"--cluster needs an extra: pip install 'home-energy-gateway[sim,network]' ({error})"
        ) from error
    run_cluster(clock, Roles(*how), prices)


def _needs(seed: int, roadmap: Path | None) -> list[Need]:
    from simulators.participants import default_needs
    from simulators.participants.data_centre import read_roadmap

    return default_needs(seed, roadmap=() if roadmap is None else read_roadmap(roadmap))


def _going_on(begin: datetime | None, state: Path) -> datetime | None:
    """A store goes on where it was stopped, if that is later."""
    from simulators.exchange import last_held

    held = None if begin is None else last_held(state)
    return begin if begin is None or held is None else max(begin, held)


def _run(clock: Clock, place: Place, prices: PriceSource, needs: list[Need]) -> None:
    try:
        asyncio.run(_serve(clock, place, prices, needs))
    except KeyboardInterrupt:
        print("stopped; the state is kept in", place.state)
    except BaseExceptionGroup as group:
        raise _first(group) from group


def _first(error: BaseException) -> BaseException:
    """The first error of a group of groups, for a person to read."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _begin(start: str | None, default: datetime | None) -> datetime | None:
    from gateway.domain.intervals import parse_utc
    from gateway.errors import ConfigError

    try:
        return default if start is None else parse_utc(start)
    except ValueError:
        raise ConfigError(
            f"--start is {start!r}; write a UTC time like 2026-06-01T06:00:00Z"
        ) from None


async def _serve(clock: Clock, place: Place, prices: PriceSource, needs: list[Need]) -> None:
    from simulators.exchange import start_exchange
    from simulators.exchange.operator import serve_operator
    from simulators.exchange.start import let_many_connect, settle_memory
    from simulators.exchange.terms import Terms
    from simulators.participants import start_participants

    async with asyncio.TaskGroup() as group:
        handle = await start_exchange(
            clock,
            group,
            place.state,
            prices,
            host=place.host,
            port=place.port,
            insecure=place.insecure,
            client_ca=place.client_ca,
            terms=Terms(supply_curve=place.supply is Supply.CURVE),
        )
        await serve_operator(handle.market, place.state)
        settle_memory()
        let_many_connect()
        print(f"exchange: {handle.url}  state: {place.state}", flush=True)
        home = handle.credential_file("home")
        print(f"credential of the home: {home}", flush=True)
        if not place.insecure:
            print(f"CA to trust: {handle.ca_file}", flush=True)
        await start_participants(
            clock,
            group,
            handle.url,
            0,
            needs=needs,
            credentials=home.parent,
            ca_file=None if place.insecure else handle.ca_file,
            meters=place.state / "meters",
        )
