"""What strangers say stays one harmless text in every place that it is written to."""

from __future__ import annotations

import io
import logging
import tomllib
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from gateway.escape import html_text, printable, toml_comment, toml_text, topic_level
from gateway.systemd import JournalFormatter, LineFormatter

# Everything, lone surrogates too, and what breaks out of lines, quotes and terminals more often.
texts = st.text() | st.text(alphabet="\n\r\t\0\x1b\x85\u2028\u202e\"'\\\\<>&#+/$[]= a")


@given(texts)
def test_a_log_line_and_a_terminal_get_one_line_of_printable_characters(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert len(shown) <= 200
    if text.isprintable() and len(text) <= 200:
        assert shown == text


@given(texts)
def test_toml_reads_back_one_value_and_no_other_key(text: str) -> None:
    read = tomllib.loads(f"[device]    # {toml_comment(text)}\nmodel = {toml_text(text)}\n")
    assert read == {"device": {"model": printable(text)}}


@given(texts)
def test_a_topic_keeps_its_levels(text: str) -> None:
    level = topic_level(text)
    assert not set(level) & set("/+#\0\n")
    level.encode()


class Tags(HTMLParser):
    """Collects what a browser would see as tags, and as text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, list[tuple[str, str | None]]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, attrs))

    def handle_data(self, data: str) -> None:
        self.text += data


@given(texts)
def test_html_has_no_other_tag_and_no_other_attribute(text: str) -> None:
    seen = Tags()
    seen.feed(f'<p title="{html_text(text)}">{html_text(text)}</p>')
    seen.close()
    assert seen.tags == [("p", [("title", printable(text))])]
    assert seen.text == printable(text)


@given(texts)
def test_a_message_in_the_log_is_one_line(text: str) -> None:
    for formatter in (LineFormatter("%(message)s"), JournalFormatter("%(message)s")):
        out = io.StringIO()
        handler = logging.StreamHandler(out)
        handler.setFormatter(formatter)
        handler.emit(logging.LogRecord("x", logging.WARNING, "", 0, "model %s", (text,), None))
        assert len(out.getvalue().splitlines()) == 1
