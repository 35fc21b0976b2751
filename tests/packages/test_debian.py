"""The Debian package on a clean machine with a systemd of its own: what README says of it, word for word, until it is purged.

`make deb-test` builds the package and runs this (some five minutes, most of them for downloads); without `HEG_DEBIAN_PACKAGE`, or where
no such machine can be made, it is skipped. What a booted home has and this machine has not: hardware, and a network but loopback.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway import __version__
from tests.packages.machine import Machine, booted, clean_root

PACKAGE = os.environ.get("HEG_DEBIAN_PACKAGE", "")
ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(not PACKAGE, reason="HEG_DEBIAN_PACKAGE names no package; `make deb-test` builds one and tests it")  # fmt: skip

CONFIG = "/etc/energy-gateway/gateway.toml"
ANSWERS = [
    "127.0.0.1:5020",
    *("", "America/Chicago", "", "", "", ""),  # name, zone, place, panels, fuse, feed-in limit
    *("", "", "", "", "0.29", ""),  # reserve, capacity, currency, kind of price, price, feed-in
    *("127.0.0.1", "1883", "", "", ""),  # broker, exchange, page's password
]
NOISE = ("rror", "arning", "Traceback", "Failed", "not been booted", "No such file")
OPENED = "python3 -c \"import urllib.request as u; print(u.urlopen('{}').read().decode())\""


def readme() -> dict[str, str]:
    """The commands of README's paragraph on the package, by their first words, without sudo."""
    text = (ROOT / "README.md").read_text()
    found = re.search(r"Or as a Debian package:.*?\n\n", text, re.DOTALL)
    assert found
    lines = [line.removeprefix("sudo ") for line in re.findall(r"`([^`]+)`", found[0])]
    return {" ".join(line.split()[:2]): line for line in lines}


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    folder = tmp_path_factory.mktemp("debian")
    root = clean_root(folder, Path(PACKAGE).resolve())
    with booted(root) as made, made.beside("broker", "--port", "1883"), made.beside("home"):
        yield made
    subprocess.run(["rm", "-rf", "--one-file-system", str(root)], check=True)


@pytest.fixture(scope="module")
def installed(machine: Machine) -> str:
    """What apt says while it installs; a person answers yes."""
    return machine.ask(readme()["apt install"], "Y\n")


def test_it_installs_in_silence_and_its_service_asks_for_a_home(
    machine: Machine, installed: str
) -> None:
    own = installed[installed.index("Setting up home-energy-gateway") :]
    own = own[: own.index("Set the home up") + 200]
    assert not [word for word in NOISE if word in own], own
    assert machine.ask("energy-gateway --version").split()[-1] == __version__
    assert machine.ask("systemctl is-enabled energy-gateway").strip() == "enabled"
    said = machine.until(readme()["journalctl -u"], "?token=")
    address = re.findall(r"http://127\.0\.0\.1:8750/\?token=\S+", said)[-1]
    opened = (
        f"python3 -c \"import urllib.request as u, http.cookiejar as c; o = u.build_opener(u.HTTPCookieProcessor(c.CookieJar()));"
        f" print(o.open('{address}').read().decode())\""
    )  # fmt: skip
    assert "<title>" in machine.ask(opened)


def test_systemd_finds_no_fault_with_the_unit(machine: Machine, installed: str) -> None:
    unit = "/lib/systemd/system/energy-gateway.service"
    assert not machine.ask(f"systemd-analyze verify --man=no {unit}").strip()
    exposure = machine.ask(f"systemd-analyze security --no-pager {unit.rpartition('/')[2]}")
    level = re.search(r"Overall exposure level for \S+: ([0-9.]+)", exposure)
    assert level, exposure
    assert float(level[1]) <= 1.2
    user = machine.ask("stat --format %u /proc/$(systemctl show -P MainPID energy-gateway)")
    assert int(user) >= 61184, "systemd's own range for users that exist while a service runs"


def test_the_page_of_the_manual_and_the_completion_know_every_command(
    machine: Machine, installed: str
) -> None:
    told = machine.ask("COLUMNS=200 energy-gateway --help")
    commands = re.findall(r"(?m)^\W*([a-z]+)  +\S", told.partition("Commands")[2])
    assert {"run", "check", "verify", "statement"} <= set(commands)
    page = machine.ask("zcat /usr/share/man/man1/energy-gateway.1.gz")
    assert [c for c in commands if f".SS {c}\n" not in page] == []
    complete = (
        "source /usr/share/bash-completion/completions/energy-gateway; COMP_WORDS=(energy-gateway che); COMP_CWORD=1;"
        " function=$(complete -p energy-gateway | grep -o '[^ ]*completion'); $function energy-gateway; echo ${COMPREPLY[@]}"
    )
    assert machine.ask(complete).split() == ["check"]


def test_init_in_the_terminal_and_the_service_runs(machine: Machine, installed: str) -> None:
    """No restart is asked for: the service that waits takes the file. Its home is seen with the page's and the broker's own means."""
    assert not machine.ask(f"ls {CONFIG} 2>/dev/null || true")
    said = machine.ask(readme()["energy-gateway init"], "\n".join([*ANSWERS, ""]))
    assert f"wrote {CONFIG}" in said
    checked = machine.ask(f"energy-gateway check --config {CONFIG}")
    assert "FAULT" not in checked
    machine.until("journalctl -u energy-gateway", "the page is at http://127.0.0.1:8750")
    assert "broker: reached" in machine.until("energy-gateway status", "inverter: ok")
    assert "Energy gateway</title>" in machine.ask(OPENED.format("http://127.0.0.1:8750/"))
    assert machine.ask("systemctl show -P NRestarts energy-gateway").strip() == "0"


def test_what_the_readme_says_of_verify_stands_on_the_path(
    machine: Machine, installed: str
) -> None:
    text = (ROOT / "README.md").read_text()
    block = re.search(r"```sh\n(sudo systemctl stop energy-gateway\n.*?)```", text, re.DOTALL)
    assert block
    stop, verify, start = (line.removeprefix("sudo ") for line in block[1].splitlines())
    machine.ask(stop)
    assert "no device was steered" in machine.ask("journalctl -u energy-gateway")
    asked = verify.replace("/opt/energy-gateway/bin/", "")
    assert "inverter" in machine.ask(f"timeout --signal=INT 20 {asked} || true")
    machine.ask(start)
    machine.until("energy-gateway status", "inverter: ok")


def test_an_upgrade_keeps_configuration_and_state(machine: Machine, installed: str) -> None:
    newer = "dist/home-energy-gateway_99_all.deb"
    machine.ask(
        f"dpkg-deb -R dist/home-energy-gateway_*_*.deb newer && sed -i 's/^Version:.*/Version: 99/' newer/DEBIAN/control"
        f" && dpkg-deb --root-owner-group -Znone -b newer {newer} && rm -r newer"
    )  # fmt: skip
    kept = f"sha256sum {CONFIG}; cat /var/lib/private/energy-gateway/state/site_id 2>/dev/null; ls /var/lib/private/energy-gateway/state"
    before, first = machine.ask(kept), machine.ask("systemctl show -P MainPID energy-gateway")
    assert len(before.split()) > 4, "there is a state to lose"
    said = machine.ask(f"apt install ./{newer}", "Y\n")
    assert not [word for word in NOISE if word in said.partition("Setting up")[2]], said
    assert "journalctl -u" not in said, "the home is set up"
    assert "ii  home-energy-gateway 99" in re.sub(" +", " ", machine.ask("dpkg -l home-energy-gateway")).replace("ii ", "ii  ")  # fmt: skip
    machine.until("energy-gateway status", "inverter: ok")
    assert machine.ask("systemctl show -P MainPID energy-gateway") != first
    assert set(before.split()) <= set(machine.ask(kept).split())


def test_removed_it_leaves_what_is_the_owners_and_purged_nothing(
    machine: Machine, installed: str
) -> None:
    machine.ask(
        "mkdir -p /etc/credstore && echo secret > /etc/credstore/energy-gateway.mqtt_password"
    )
    said = machine.ask(readme()["apt remove"], "Y\n")
    assert not [word for word in NOISE if word in said.partition("Removing home-energy")[2]], said
    assert "it ends; no device was steered" in machine.ask(
        "journalctl -u energy-gateway | tail -n 20"
    )
    machine.ask("command -v energy-gateway", code=1)
    machine.ask("systemctl is-active --quiet energy-gateway", code=3)
    assert machine.ask(f"ls {CONFIG} /var/lib/private/energy-gateway/state /usr/lib/home-energy-gateway || true")  # fmt: skip
    said = machine.ask(readme()["apt purge"], "Y\n")
    assert not [word for word in NOISE if word in said.partition("Purging")[2]], said
    left = machine.ask(
        "find / -xdev \\( -path /root -o -path /var/cache/apt -o -path /proc -o -path /sys \\) -prune -o -name '*energy-gateway*' -print"
    )
    assert left == ""
