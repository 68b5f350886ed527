"""Recordings and schemas that are not part of this repository. Tests that need them skip where they are absent."""

import os
from pathlib import Path


def shared_data() -> Path | None:
    """Return the directory of the data: `NAUTES_SHARED_DATA`, else `../shared/data` beside the checkout, else None."""
    given = os.environ.get("NAUTES_SHARED_DATA")  # noqa: TID251 - tests have no settings
    place = Path(given) if given else Path(__file__).parents[3] / "shared" / "data"
    return place if place.is_dir() else None
