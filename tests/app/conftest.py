"""The web app on the house's core, behind a real server on this machine."""

from collections.abc import AsyncIterator

import pytest
from app.clients import Office, opened_office
from house import House


@pytest.fixture
async def office(house: House) -> AsyncIterator[Office]:
    """The app of the house, and agents who call it."""
    async with opened_office(house) as office:
        yield office
