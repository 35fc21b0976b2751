"""A dump is a document that programs read: what is masked in it are its texts."""

from __future__ import annotations

import json

from gateway.config.masked import Mask


def test_numbers_that_look_like_a_serial_number_stay_numbers() -> None:
    said = {
        "grid_import_wh": 18734210,
        "load_w": 573.4000000000001,
        "inverter": "serial ABC12345678 at 192.168.1.30",
        'a \\ and a quote "': "villa-rose",
    }
    mask = Mask({"site": {"name": "villa-rose"}})
    found = json.loads(mask.document(json.dumps(said, indent=2)))
    assert (found["grid_import_wh"], found["load_w"]) == (18734210, 573.4000000000001)
    assert found["inverter"] == "serial serial-1 at host-1"
    assert found['a \\ and a quote "'] == "site-1"
