"""What the gateway writes is readable by its own user alone, however it was started."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from tests.safety import agents
from tests.safety.guarded import guarded


def usual_mask() -> None:
    os.umask(0o022)


async def test_files_of_the_state_folder(tmp_path: Path) -> None:
    async with guarded("fronius", tmp_path) as place:
        await place.start(agents.HOLDS, before=usual_mask)
        await place.until(lambda: place.held, "held")
        await place.stop()
    made = [place.state, *place.state.rglob("*")]
    assert len(made) > 3
    for path in made:
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path
