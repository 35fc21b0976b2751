"""How many families there are, counted as an owner counts them, and what each rests on."""

from __future__ import annotations

import re

import pytest
from typer.testing import CliRunner

from gateway.cli import make_app
from gateway.devices.catalogue import all_profiles
from simulators.devices.family_file import family_files
from tests.devices.image_files import FILES
from tests.devices.vendor_images import IMAGES
from tests.simulators.test_every_reading import PROFILES

FAMILIES = {
    key: p
    for key, p in all_profiles().items()
    if p.kind not in {"any", "relay"} and not key.startswith("bridge-")
}


def test_the_command_counts_what_is_read_and_what_is_steered() -> None:
    said = CliRunner().invoke(make_app("gateway.cli", "x"), ["profiles"]).output
    told = re.search(r"^(\d+) families are read, (\d+) of them steered$", said, re.MULTILINE)
    assert told, said
    read, steered = map(int, told.groups())
    assert read == len(FAMILIES) >= 60
    assert steered == sum(bool(f.controls) for f in FAMILIES.values()) >= 25


@pytest.mark.parametrize("key", FAMILIES)
def test_every_family_is_published_and_has_registers_to_be_read_from(key: str) -> None:
    """An image of its own, or the standard's models, on which the tests of SunSpec serve it."""
    family = FAMILIES[key]
    assert family.sunspec or key in IMAGES or key in {f.profile for f in FILES.values()}
    if family.controls and family.source and family.source.controls:
        assert family.evidence in {"capture", "two sources"}


def test_every_steered_family_is_simulated_by_somebody_elses_reading_of_it() -> None:
    """So that the tests of modes, kills and readings let both meet."""
    steered = {key for key, family in FAMILIES.items() if family.controls}
    by_the_standard = {"sunspec-inverter"}  # the DER and the Fronius of the simulators
    heaters = {f.profile for f in family_files().values() if f.kind == "heater"}
    assert steered - set(PROFILES.values()) - heaters == by_the_standard


def test_what_is_written_by_each_steered_family_stands_in_an_image_of_it() -> None:
    """So that none is passed over silently; the writes of SunSpec have tests of their own."""
    shown = {f.profile for f in FILES.values() if f.steer}
    steered = {key for key, family in FAMILIES.items() if family.controls and not family.sunspec}
    assert steered - shown == set(), "add a [[steer]] row"
