"""A SunSpec meter at the grid connection (models 201-204, 211-214); Fronius: unit 200 or 240."""

from gateway.devices.datasheet import Communication, Profile, SunSpecSheet

PROFILE = Profile(
    key="sunspec-meter",
    title="SunSpec meter",
    kind="meter",
    verified="capture",
    communication=Communication(unit=200, timeout_s=3.0, max_gap=30),
    sunspec=SunSpecSheet(inverter=False),
)
