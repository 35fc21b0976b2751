"""docs/configuration.md says what the code checks."""

from pathlib import Path

from gateway.config.reference import reference


def test_the_configuration_page_is_up_to_date() -> None:
    page = Path(__file__).parents[2] / "docs" / "configuration.md"
    assert page.read_text() == reference(), (
        "python -m gateway.config.reference > docs/configuration.md"
    )
