from datetime import UTC, datetime

import pytest


@pytest.fixture
def at():
    return datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
