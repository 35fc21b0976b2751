"""``energy-sim fleet``: the aggregator's page over a running exchange."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("fleet")(fleet)


def fleet(
    state: Annotated[Path, typer.Option(help="folder of the running exchange")] = Path(
        "exchange-state"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 = a free port")] = 8901,
) -> None:
    """Serve a page on loopback: homes that trade, energy and price of calls, failures, settlement.

    Example: energy-sim fleet --state exchange-state
    """
    import asyncio

    from simulators.exchange.operator import ask_operator
    from simulators.fleet import serve_fleet

    async def serve() -> None:
        await ask_operator(state, "status", {})  # says in words where no exchange runs
        page = await serve_fleet(state, port)
        print(f"fleet: {page.url}", flush=True)
        await asyncio.Event().wait()

    try:
        asyncio.run(serve())
    except KeyboardInterrupt:
        print("stopped")
