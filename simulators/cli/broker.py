"""energy-sim broker: a broker to try things with."""

from __future__ import annotations

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    app.command("broker")(broker)


def broker(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 = any free port")] = 1883,
    embedded: Annotated[
        bool, typer.Option(help="not mosquitto, even where it is installed")
    ] = False,
) -> None:
    """Run an MQTT broker on loopback until Ctrl-C: mosquitto if installed, else an embedded one.

    Example: energy-sim broker --port 1883
    """
    import asyncio
    from contextlib import suppress

    from simulators.broker import start_broker

    async def serve() -> None:
        handle = await start_broker(port, prefer="amqtt" if embedded else "mosquitto")
        if handle.kind == "existing":
            print(f"a broker runs on {handle.host}:{handle.port} already; it is left alone")
            return
        print(f"MQTT broker ({handle.kind}) on {handle.host}:{handle.port}; Ctrl-C ends it")
        try:
            await asyncio.Event().wait()
        finally:
            await handle.close()

    with suppress(KeyboardInterrupt):
        asyncio.run(serve())
