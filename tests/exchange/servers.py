"""Real PostgreSQL and NATS servers on free ports of loopback, in temporary folders.

One PostgreSQL serves all tests of a process, each in a database of its own. The servers end with the
process that started them. Where the programs are not installed the tests are skipped.
"""

from __future__ import annotations

import atexit
import itertools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import IO, Any

import pytest

from simulators.exchange.cluster.config import ClusterConfig
from simulators.exchange.ledger import Store
from simulators.exchange.postgres import Postgres
from simulators.exchange.postgres_ledger import PostgresLedger

_READY_S = 60.0
_PROGRAMS = ("/usr/lib/postgresql/*/bin", "/usr/local/pgsql/bin")


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def _die_with_us(*command: str, by: str = "KILL") -> list[str]:
    """``command`` ends when this process does, however that ends."""
    return ["setpriv", "--pdeathsig", by, *command]


class PostgresServer:
    """``safe`` waits for the disk at each commit."""

    def __init__(self, *, safe: bool = False) -> None:
        self._bin = _postgres_programs()
        self.folder = Path(tempfile.mkdtemp(prefix="exchange-pg-"))
        (self.port,) = free_ports(1)
        self._count = itertools.count(1)
        self._safe = safe
        self._process: subprocess.Popen[bytes] | None = None
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            shutil.chown(self.folder, "nobody", "nogroup")
        initdb = [str(self._bin / "initdb"), "-D", str(self.folder / "data"), "-U", "exchange"]
        options = ["-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C"]
        subprocess.run(
            _unprivileged(*initdb, *options), check=True, stdout=subprocess.DEVNULL, cwd="/"
        )
        self.start()

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self._process = self._run(log)
        deadline = time.monotonic() + _READY_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError((self.folder / "log").read_text())
            time.sleep(0.05)

    def _run(self, log: IO[bytes]) -> subprocess.Popen[bytes]:
        settings = (
            *("listen_addresses=127.0.0.1", f"port={self.port}"),
            *(f"fsync={'on' if self._safe else 'off'}", "max_connections=200"),
            f"unix_socket_directories={self.folder}",
        )
        return subprocess.Popen(
            _unprivileged(
                *_die_with_us(
                    str(self._bin / "postgres"), "-D", str(self.folder / "data"), by="QUIT"
                ),
                *itertools.chain.from_iterable(("-c", setting) for setting in settings),
            ),
            stderr=log,
            cwd="/",
        )

    def _answers(self) -> bool:
        ready = [str(self._bin / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(ready, check=False).returncode == 0

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def version(self) -> int:
        """The major one."""
        said = subprocess.run(
            [str(self._bin / "postgres"), "--version"], check=True, capture_output=True, text=True
        )
        return int(said.stdout.split()[2].partition(".")[0])

    def kill(self) -> None:
        """As a crash of the machine's process: nothing is said to the clients."""
        assert self._process is not None
        self._process.send_signal(
            signal.SIGQUIT
        )  # immediate: its children end without a checkpoint
        self._process.wait()

    def database(self) -> str:
        """The address of a new, empty database."""
        name = f"t{next(self._count)}"
        subprocess.run(
            [
                *(str(self._bin / "psql"), "-q", "-h", "127.0.0.1", "-p", str(self.port)),
                *("-U", "exchange", "-d", "postgres", "-c", f"CREATE DATABASE {name}"),
            ],
            check=True,
        )
        return f"postgresql://exchange@127.0.0.1:{self.port}/{name}"

    def ledger(self) -> Store:
        """A store in a new database."""
        return PostgresLedger(Postgres(self.database(), power_safe=False))

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def _postgres_programs() -> Path:
    """Where they are installed; ``HEG_POSTGRES`` names the folder of another version."""
    if named := os.environ.get("HEG_POSTGRES"):
        return Path(named)
    for pattern in _PROGRAMS:
        for folder in sorted(Path("/").glob(pattern.lstrip("/")), reverse=True):
            if (folder / "postgres").exists():
                return folder
    pytest.skip("postgresql is not installed")


def _unprivileged(*command: str) -> list[str]:
    if os.geteuid() != 0:
        return list(command)
    return ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups", *command]


@cache
def postgres() -> PostgresServer:
    """The server that the tests of this process share."""
    server = PostgresServer()
    atexit.register(server.close)
    return server


def nats_program() -> str:
    found = shutil.which("nats-server") or "/usr/sbin/nats-server"
    if not Path(found).exists():
        pytest.skip("nats-server is not installed")
    return found


class NatsServers:
    """JetStream on one node or on several that replicate each other; ``sync`` is its
    ``sync_interval``, which servers before 2.10 do not have."""

    def __init__(
        self, nodes: int = 1, *, program: str | None = None, sync: str | None = None
    ) -> None:
        self._program = program or nats_program()
        self._sync = "" if sync is None else f", sync_interval: {sync}"
        self.folder = Path(tempfile.mkdtemp(prefix="exchange-nats-"))
        ports = free_ports(2 * nodes)
        self._clients, self._routes = ports[:nodes], ports[nodes:]
        self._processes: list[subprocess.Popen[bytes] | None] = [None] * nodes
        for node in range(nodes):
            self.start(node)

    @property
    def addresses(self) -> tuple[str, ...]:
        return tuple(f"nats://127.0.0.1:{port}" for port in self._clients)

    @property
    def pids(self) -> list[int]:
        return [process.pid for process in self._processes if process is not None]

    def start(self, node: int) -> None:
        settings = [
            f'server_name: "n{node}"',
            f"listen: 127.0.0.1:{self._clients[node]}",
            f'jetstream {{ store_dir: "{self.folder}/{node}"{self._sync} }}',
            "max_payload: 8MB",
        ]
        if len(self._clients) > 1:
            routes = ", ".join(f'"nats-route://127.0.0.1:{port}"' for port in self._routes)
            settings.append(
                f"cluster {{ name: exchange, listen: 127.0.0.1:{self._routes[node]},"
                f" routes: [{routes}] }}"
            )
        config = self.folder / f"{node}.conf"
        config.write_text("\n".join(settings) + "\n")
        self._processes[node] = subprocess.Popen(
            _die_with_us(self._program, "-c", str(config), "-l", str(self.folder / f"{node}.log")),
            cwd="/",
        )

    def kill(self, node: int) -> None:
        process = self._processes[node]
        assert process is not None
        process.kill()
        process.wait()

    def close(self) -> None:
        for process in self._processes:
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


@cache
def nats() -> NatsServers:
    """The log that the tests of this process share."""
    servers = NatsServers()
    atexit.register(servers.close)
    return servers


def cluster_config(**more: Any) -> ClusterConfig:
    """A zone of three shards and two edges in a new database."""
    database = postgres().database()
    return ClusterConfig(
        name=f"t{database.rpartition('/')[2]}",
        shards=3,
        postgres=database,
        nats=nats().addresses,
        replicas=1,
        edges=("127.0.0.1:0", "127.0.0.1:0"),
        **more,
    )
