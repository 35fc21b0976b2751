"""``energy-sim exchange``: the energy exchange alone, with its simulated buyers."""

from __future__ import annotations

import asyncio
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from gateway.clock import Clock
    from simulators.exchange import PriceSource


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("exchange")(exchange)


def exchange(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 = a free port")] = 8900,
    state: Annotated[Path, typer.Option(help="folder of its store")] = Path("exchange-state"),
    insecure: Annotated[bool, typer.Option("--insecure", help="plain HTTP on loopback")] = False,
    data: Annotated[Path | None, typer.Option(help="CSV with recorded prices")] = None,
    seed: Annotated[int, typer.Option(help="of prices and participants")] = 1,
    start: Annotated[str | None, typer.Option(help="begin then, e.g. 2026-06-01T06:00:00Z")] = None,
    rate: Annotated[float, typer.Option(min=0.001, help="simulated seconds per second")] = 1.0,
    participants: Annotated[bool, typer.Option(help="let the network's buyers trade")] = True,
) -> None:
    """Run the exchange until Ctrl-C; its state survives and goes on at the next start."""
    from gateway.clock import WallClock
    from gateway.errors import ConfigError
    from simulators.data import read_csv
    from simulators.prices import SyntheticPrices

    if not insecure:
        raise ConfigError("TLS is not served yet; add --insecure for plain HTTP on loopback")
    recording = read_csv(data) if data is not None else None
    begin = _begin(start, None if recording is None else recording.start)
    prices = SyntheticPrices(seed) if recording is None else recording.prices
    try:
        asyncio.run(
            _serve(WallClock(begin, rate), port, state, prices, seed if participants else None)
        )
    except KeyboardInterrupt:
        print("stopped; the state is kept in", state)


def _begin(start: str | None, default: datetime | None) -> datetime | None:
    from gateway.domain.intervals import parse_utc
    from gateway.errors import ConfigError

    try:
        return default if start is None else parse_utc(start)
    except ValueError as error:
        raise ConfigError(f"--start {start}: {error}") from None


async def _serve(
    clock: Clock, port: int, state: Path, prices: PriceSource, seed: int | None
) -> None:
    from simulators.exchange import start_exchange
    from simulators.participants import start_participants

    async with asyncio.TaskGroup() as group:
        handle = await start_exchange(clock, group, state, prices, port=port)
        print(f"exchange: {handle.url}  state: {state}  party of the home: home", flush=True)
        if seed is not None:
            await start_participants(clock, group, handle.url, seed)
