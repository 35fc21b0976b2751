"""A clean Debian machine in a folder, with a booted systemd and no network but its own loopback.

debootstrap makes it from the mirror that this machine's apt uses, systemd-nspawn boots it. Devices and a broker for its home run in
its network, with the programs of this machine.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

LONGEST_S = 600.0  # only a hang takes this long
PROGRAMS = ("debootstrap", "systemd-nspawn", "nsenter", "dpkg-deb")
UNREACHABLE = ("Failed getting release file", "Couldn't download", "Invalid Release")


def clean_root(folder: Path, package: Path) -> Path:
    """Debian's smallest system with systemd, and the package with what apt fetches for it, not installed yet."""
    for program in PROGRAMS:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    if os.geteuid() != 0:
        pytest.skip("only root can make a machine of its own")
    mirror, suite = _mirror()
    root = folder / "root"
    made = _done(["debootstrap", "--variant=minbase", "--include=systemd,systemd-sysv,dbus", suite, str(root), mirror])  # fmt: skip
    if made.returncode and any(words in made.stdout for words in UNREACHABLE):
        pytest.skip(f"the mirror does not answer: {made.stdout.splitlines()[-1]}")
    assert made.returncode == 0, made.stdout
    (root / "root" / "dist").mkdir()
    shutil.copy(package, root / "root" / "dist")
    _as_here(root)
    fetch = f"apt-get update -qq && apt-get install -qq --download-only ./dist/{package.name}"
    fetched = _done(["unshare", "--mount", "chroot", str(root), "sh", "-c", f"cd /root && {fetch}"])
    assert fetched.returncode == 0, fetched.stdout
    return root


def _mirror() -> tuple[str, str]:
    """Where this machine's apt has Debian from, and which release that is."""
    form = "$(REPO_URI) $(RELEASE) $(COMPONENT)"
    said = _done(["apt-get", "indextargets", "--format", form, "Created-By: Packages"]).stdout
    for line in said.splitlines():
        uri, _, rest = line.partition(" ")
        suite, _, component = rest.partition(" ")
        if component == "main" and re.fullmatch(r"[a-z]+", suite):
            return uri, suite
    pytest.skip("apt of this machine names no mirror of a Debian release")


def _as_here(root: Path) -> None:
    """The sources, the way to them and the resolver of this machine."""
    (root / "etc/apt/sources.list").unlink(missing_ok=True)
    for name in ("sources.list", "sources.list.d", "keyrings"):
        there = Path("/etc/apt") / name
        if there.is_dir():
            shutil.copytree(there, root / "etc/apt" / name, dirs_exist_ok=True)
        elif there.exists():
            shutil.copy(there, root / "etc/apt")
    acquire = _done(["apt-config", "dump", "Acquire"]).stdout
    (root / "etc/apt/apt.conf.d/99as-there").write_text(acquire)
    for name in ("resolv.conf", "hosts"):
        shutil.copy(Path("/etc", name), root / "etc" / name)


def _done(words: list[str], said_in: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    return subprocess.run(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=LONGEST_S, env=environment,
        **({"stdin": subprocess.DEVNULL} if said_in is None else {"input": said_in}),
    )  # fmt: skip


@dataclass(frozen=True)
class Machine:
    """``leader`` is its first process, as seen from here."""

    root: Path
    leader: int

    def ask(self, line: str, said_in: str = "", code: int = 0) -> str:
        """What a root's shell in it says to ``line``; the exit code must be ``code``."""
        shell = ["nsenter", "--all", f"--target={self.leader}", "bash", "-c", f"cd /root && {line}"]
        done = _done(shell, said_in)
        assert done.returncode == code, f"{line}: {done.returncode}\n{done.stdout}"
        return done.stdout

    def until(self, line: str, words: str) -> str:
        """Ask until the answer has ``words`` in it."""
        ends = time.monotonic() + LONGEST_S
        while words not in (said := self.ask(f"{line} || true")):
            assert time.monotonic() < ends, f"{line} never said {words!r}:\n{said}"
            time.sleep(0.5)
        return said

    @contextmanager
    def beside(self, *words: str) -> Iterator[None]:
        """A program of the simulated world in its network, from the first line that it says."""
        network = f"--net=/proc/{self.leader}/ns/net"
        program = [str(Path(sys.executable).with_name("energy-sim")), *words]
        process = subprocess.Popen(
            ["nsenter", network, *program], stdout=subprocess.PIPE, env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
        try:
            assert process.stdout is not None
            assert process.stdout.readline(), f"{words} ended"
            yield
        finally:
            process.terminate()
            process.communicate()


@contextmanager
def booted(root: Path) -> Iterator[Machine]:
    """The machine, once its systemd has started everything."""
    with (root.parent / "console").open("wb") as console:
        alone = [] if Path("/run/systemd/system").exists() else ["--register=no", "--keep-unit"]
        process = subprocess.Popen(
            ["systemd-nspawn", f"--directory={root}", "--boot", "--private-network", "--link-journal=no", *alone],
            stdin=subprocess.DEVNULL, stdout=console, stderr=console,
        )  # fmt: skip
    try:
        machine = Machine(root, _first_process(process, root.parent / "console"))
        machine.until("systemctl is-system-running", "running")
        yield machine
    finally:
        process.terminate()  # it shuts down
        try:
            process.wait(LONGEST_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _first_process(process: subprocess.Popen[bytes], console: Path) -> int:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    ends = time.monotonic() + LONGEST_S
    while process.poll() is None and time.monotonic() < ends:
        for word in children.read_text().split():
            if Path(f"/proc/{word}/comm").read_text().strip() == "systemd":
                return int(word)
        time.sleep(0.2)
    pytest.skip(f"systemd cannot be booted here: {console.read_text(errors='replace')[-300:]}")
