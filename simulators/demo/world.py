"""Start the whole world on one simulated clock, play the days, and end it in good order.

One participant of the clock, the referee, sets everything up, lets the days pass and ends it. While
it does real work (starting servers, waiting for the broker) it is awake, so no time passes.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from gateway.clock import Clock, SimClock
from gateway.errors import ConfigError
from gateway.together import Gateway
from simulators.broker import start_broker
from simulators.demo.options import Addresses, Options, gateway_settings
from simulators.demo.past import past_of
from simulators.devices.serve import Servers, serve_heater, serve_home
from simulators.exchange.start import ExchangeHandle, start_exchange
from simulators.exchange.terms import Terms
from simulators.participants import start_participants
from simulators.physics.home import Home
from simulators.rehearsal import rehearse
from simulators.scenario import Scenario

STEP_S = 60.0


@dataclass
class World:
    """Everything that runs, for the one who plays it."""

    options: Options
    clock: SimClock
    scenario: Scenario
    home: Home
    servers: Servers
    broker_port: int
    broker_kind: str
    traded: ExchangeHandle | None
    gateway: Gateway
    at: Addresses
    lowest_soc_pct: float = 100.0  # of the battery as physics has it, minute by minute

    @property
    def exchange(self) -> ExchangeHandle:
        """Of a home that trades."""
        assert self.traded is not None  # noqa: S101 - asked for where there is one
        return self.traded

    @property
    def start(self) -> datetime:
        return self.scenario.start

    @property
    def end(self) -> datetime:
        """The end of the days that count."""
        return self.start + timedelta(days=self.options.days)

    async def play(self, until: datetime, progress: Callable[[datetime], None]) -> None:
        """Let time pass; the broker is never outrun."""
        while self.clock.now() < until:
            step = min(until, self.clock.now() + timedelta(seconds=STEP_S))
            await self.clock.sleep_until(step)
            await self.gateway.agent.publisher.flush()
            self.lowest_soc_pct = min(self.lowest_soc_pct, self.home.truth().soc_pct)
            progress(self.clock.now())


async def run_world(
    options: Options,
    state_dir: Path,
    referee: Callable[[World], Awaitable[None]],
    machine: Callable[[SimClock], Clock] = lambda clock: clock,
) -> None:
    """Start all parts, let ``referee`` play, stop all parts. Errors of any part end it.

    ``machine`` makes the clock of the gateway's machine, which somebody may set, of the world's.
    """
    scenario = options.scenario()
    clock = SimClock(scenario.start)
    try:
        async with asyncio.TaskGroup() as group:
            clocks = clock, machine(clock)
            stage = _stage(options, scenario, clocks, state_dir, referee, group)
            clock.spawn(group, stage, "referee")
    except BaseExceptionGroup as group_error:
        raise _first(group_error) from group_error


async def _stage(
    options: Options,
    scenario: Scenario,
    clocks: tuple[SimClock, Clock],
    state_dir: Path,
    referee: Callable[[World], Awaitable[None]],
    group: asyncio.TaskGroup,
) -> None:
    clock, gateways = clocks
    async with AsyncExitStack() as stack:
        _free(options.dashboard_port)
        broker = await start_broker(options.broker_port)
        stack.push_async_callback(broker.close)
        home = Home(clock, scenario)
        servers = await serve_home(home)
        stack.push_async_callback(servers.close)
        exchange = await _exchange(options, scenario, clock, state_dir / "exchange", group, stack)
        ports, heater_port = servers.ports, None
        if options.heater:
            heater, heater_port = await serve_heater(home, "elwa")
            stack.push_async_callback(heater.close)
        at = Addresses(
            ports.inverter,
            ports.meter,
            ports.charger,
            broker.port,
            exchange.url if exchange else None,
            options.dashboard_port,
            heater_port,
        )
        settings = gateway_settings(at, state_dir / "gateway", scenario.time_zone, options.tables)
        guard = settings.for_guard()
        proved = tuple(d for d in guard.devices if d.name not in guard.heaters)
        await rehearse(replace(guard, devices=proved), ports)
        gateway = Gateway(settings, gateways)
        for observed in past_of(scenario):
            gateway.agent.history.add_quarter(observed)
        async with _running(gateway):
            world = World(
                options,
                clock,
                scenario,
                home,
                servers,
                broker.port,
                broker.kind,
                exchange,
                gateway,
                at,
            )
            await referee(world)


def _free(page_port: int) -> None:
    """A gateway runs on without its page; whoever asks the demo for a page on this port wants to see it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", page_port))
        except OSError as error:
            raise ConfigError(
                f"--dashboard-port {page_port}: cannot listen there: {error.strerror}"
            ) from None


async def _exchange(
    options: Options,
    scenario: Scenario,
    clock: SimClock,
    folder: Path,
    group: asyncio.TaskGroup,
    stack: AsyncExitStack,
) -> ExchangeHandle | None:
    """The exchange and its other participants; None for a home with a retailer only."""
    if not options.exchange:
        return None
    exchange = await start_exchange(
        clock,
        group,
        folder,
        scenario.prices(),
        port=options.exchange_port,
        power_safe=options.kept,
        terms=Terms(supply_curve=options.supply_curve),
    )
    stack.push_async_callback(exchange.close)
    others = await start_participants(clock, group, exchange.url, options.seed)
    stack.push_async_callback(others.close)
    return exchange


@asynccontextmanager
async def _running(gateway: Gateway) -> AsyncIterator[None]:
    """The gateway as a task that is no participant itself; left, it ends as on SIGTERM."""
    started = asyncio.Event()
    async with asyncio.TaskGroup() as own:
        task = own.create_task(gateway.run(started.set), name="gateway")
        await started.wait()
        await gateway.agent.publisher.wait_connected()
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first error of a group of groups, for a person to read."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
