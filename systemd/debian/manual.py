"""The manual page and the completion of the command line, from the commands themselves.

python manual.py man | completion
"""

from __future__ import annotations

import re
import sys

import typer
from typer.completion import get_completion_script

from gateway import __version__
from gateway.cli import ABOUT, make_app


def roff(text: str) -> str:
    """Text with what groff would take for a request, a dash or an escape made plain."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\n".join(
        f"\\&{line}" if line.startswith((".", "'")) else line for line in text.split("\n")
    )


def paragraphs(text: str) -> str:
    return "\n.PP\n".join(roff(re.sub(r"\s+", " ", part)) for part in text.strip().split("\n\n"))


def page() -> str:
    group = typer.main.get_command(make_app("gateway.cli", ABOUT))
    commands = vars(group)["commands"]
    lines = [
        f'.TH ENERGY-GATEWAY 1 "" "energy-gateway {__version__}" "Home energy gateway"',
        ".SH NAME",
        "energy\\-gateway \\- " + roff("the home energy gateway: run it, check it, ask it"),
        ".SH SYNOPSIS\n.B energy\\-gateway\n.I COMMAND\n[OPTION]...",
        ".SH DESCRIPTION",
        (
            "The daemon that lets a home trade: inverter, battery, meter and charger over Modbus, the home's state over"
            " MQTT, its surplus on the energy exchange. It runs as the service energy\\-gateway."
        ),
        ".SH COMMANDS",
    ]
    for name, command in sorted(commands.items()):
        lines += [f".SS {roff(name)}", paragraphs(command.help or "")]
        for option in command.params:
            shown = ", ".join(option.opts)
            if option.param_type_name == "argument":
                shown = f"[{option.name}]"
            about = getattr(option, "help", None) or ""
            lines += [".TP", f"\\fB{roff(shown)}\\fR", roff(about) or "\\&"]
    lines += [
        ".SH EXIT STATUS",
        "0 done, 1 a fault or a difference was found, 2 the configuration or an option is wrong, 3 another gateway runs.",
        ".SH FILES",
        ".TP\n/etc/energy\\-gateway/gateway.toml\nthe configuration of the service",
        ".TP\n/var/lib/energy\\-gateway/state\naccount, history and settings of the service",
    ]
    return "\n".join(lines) + "\n"


def completion() -> str:
    return get_completion_script(  # noqa: S604 - the name of a shell; none is called
        prog_name="energy-gateway", complete_var="_ENERGY_GATEWAY_COMPLETE", shell="bash"
    )


if __name__ == "__main__":
    sys.stdout.write(page() if sys.argv[1:] == ["man"] else completion())
