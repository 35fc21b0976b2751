"""One full house: CPU of one core at 1 s polls, memory, and what a sick device costs the others.

Five devices with about 600 registers in all stand in another process. Rounds in which all are well
alternate with rounds in which one of them is silent; the best of each counts, as noise only adds.
Run: python benchmarks/modbus_house.py [--polls N] [--rounds N] [--json]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import resource
import statistics
import struct
import time
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection as Pipe

from gateway.clock import WallClock, every
from gateway.devices.datasheet import Communication, Profile, Source
from gateway.devices.device import ModbusDevice
from gateway.devices.readout import one
from gateway.errors import DeviceError
from gateway.modbus.address import BusAddress, BusTiming
from gateway.modbus.connection import Connection
from gateway.modbus.registers import Field

DEVICES, BLOCKS, REGISTERS = 5, 3, 40  # 5 x 3 x 40 = 600 registers
PERIOD_S = 0.2  # quicker than a house, to see more polls


@dataclass
class Server(asyncio.Protocol):
    """Answers any read with ascending registers; unit 9 is never answered."""

    transport: asyncio.Transport = field(init=False)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # a TCP transport it is

    def data_received(self, data: bytes) -> None:
        tid, _, _, unit, _, start, count = struct.unpack(">HHHBBHH", data[:12])
        if unit == 9:
            return
        words = struct.pack(f">{count}H", *((start + i) % 65536 for i in range(count)))
        head = struct.pack(">HHHBBB", tid, 0, 3 + len(words), unit, 3, len(words))
        self.transport.write(head + words)


def serve(ports: Pipe) -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        servers = [await loop.create_server(Server, "127.0.0.1", 0) for _ in range(DEVICES)]
        ports.send([s.sockets[0].getsockname()[1] for s in servers])
        await asyncio.gather(*(s.serve_forever() for s in servers))

    asyncio.run(run())


def device(number: int, port: int, sick: bool) -> ModbusDevice:
    fields = [Field(1000 * b + i, "u16") for b in range(BLOCKS) for i in range(0, REGISTERS, 2)] + [
        Field(1000 * b + REGISTERS - 1, "u16") for b in range(BLOCKS)
    ]
    sheet = Profile(
        key="bench",
        title="bench",
        kind="any",
        verified="data sheet",
        communication=Communication(max_gap=10),
        source=Source(tuple(one(f"metric_{i}", f) for i, f in enumerate(fields))),
    )
    connection = Connection(BusAddress(host="127.0.0.1", port=port), BusTiming(timeout_s=2.0))
    unit = connection.unit(9 if sick else 1)
    return ModbusDevice(f"device-{number}", sheet, unit, None, WallClock())


async def poll(device: ModbusDevice, polls: int, took: list[float]) -> None:
    rounds = 0
    async for _ in every(WallClock(), PERIOD_S):
        began = time.perf_counter()
        with suppress(DeviceError):
            await device.poll()
        took.append(time.perf_counter() - began)
        rounds += 1
        if rounds >= polls:
            await device.close()
            return


async def house(ports: list[int], polls: int, sick: bool) -> dict[str, float]:
    """CPU of one core in percent at 1 s polls, and poll times of the four devices that are well."""
    times: list[list[float]] = [[] for _ in ports]
    cpu = time.process_time()
    async with asyncio.TaskGroup() as group:
        for i, port in enumerate(ports):
            group.create_task(poll(device(i, port, sick and i == 0), polls, times[i]))
    cpu = time.process_time() - cpu
    well = sorted(t for each in times[1:] for t in each[1:])
    return {
        "cpu_pct": 100 * cpu / polls,
        "p50_ms": 1000 * statistics.median(well),
        "p99_ms": 1000 * well[int(0.99 * len(well))],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--polls", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.Process(target=serve, args=(theirs,), daemon=True)
    server.start()
    try:
        ports = ours.recv()
        runs: dict[bool, list[dict[str, float]]] = {False: [], True: []}
        for i in range(2 * options.rounds):  # in turn: what else runs here disturbs both alike
            runs[i % 2 == 1].append(asyncio.run(house(ports, options.polls, sick=i % 2 == 1)))
    finally:
        server.terminate()
        server.join()
    well, sick = ({k: min(r[k] for r in runs[s]) for k in runs[s][0]} for s in (False, True))
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if options.json:
        print(json.dumps({"well": well, "one_sick": sick, "rss_mb": rss}, indent=2))
        return
    print(f"{'':10} {'CPU %':>8} {'p50 ms':>8} {'p99 ms':>8}")
    for name, row in (("all well", well), ("one sick", sick)):
        print(f"{name:10} {row['cpu_pct']:8.2f} {row['p50_ms']:8.2f} {row['p99_ms']:8.2f}")
    print(f"others' p99 with a sick device: {sick['p99_ms'] / well['p99_ms']:.2f} x; {rss:.0f} MB")


if __name__ == "__main__":
    main()
