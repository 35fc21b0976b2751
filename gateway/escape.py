"""What strangers say, made safe for the place where it is written. Pure.

A model's name from a device, a reason from an exchange, a topic from a broker: each may hold a line break,
an escape sequence of a terminal or a quotation mark. What reaches a file, a log, a terminal, a topic or
HTML goes through the function for that place.
"""

from __future__ import annotations

_LONGEST = 200


def printable(text: str, longest: int = _LONGEST) -> str:
    """For a log or a terminal: one line; what does not print is spelled (``\\x1b``); not endless."""
    shown = text if text.isprintable() else "".join(map(_spelled, text[: longest + 1]))
    return shown if len(shown) <= longest else f"{shown[: longest - 3]}..."


def toml_text(text: str) -> str:
    """A quoted string for a TOML file that gives back ``printable(text)``."""
    quoted = printable(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}"'


def toml_comment(text: str) -> str:
    """For the rest of a line after ``#``."""
    return printable(text)


def topic_level(text: str) -> str:
    """One level of an MQTT topic: without the separator, wildcards and what does not print."""
    return "".join(c if c.isprintable() and c not in "/+#$" else "_" for c in text)[:_LONGEST]


def html_text(text: str) -> str:
    """For HTML, as text or in a quoted attribute."""
    import html  # noqa: PLC0415 - it brings two thousand names of characters, which the guard has no room for

    return html.escape(printable(text), quote=True)


def _spelled(char: str) -> str:
    if char.isprintable():
        return char
    code = ord(char)
    return (
        f"\\x{code:02x}"
        if code < 0x100
        else f"\\u{code:04x}"
        if code < 0x10000
        else f"\\U{code:08x}"
    )
