"""What the worker clears away."""

import os
import time

import pytest
from fluxki_core.domain.ids import RawId
from fluxki_core.domain.kinds import Visibility
from fluxki_core.domain.people import SYSTEM
from fluxki_core.domain.tickets import Reply
from fluxki_core.services import accounts, raw
from fluxki_core.services.tidying import tidy
from fluxki_core.services.unit import Replayed
from house import House
from paper import letter


async def test_answers_under_a_key_are_kept_for_a_week(house: House) -> None:
    ana = await house.agent()
    ticket = await house.ticket_from(letter())
    note = Reply(ticket=ticket, body_text="anotado", visibility=Visibility.PRIVATE)
    once = ana.once("key", "digest", lambda answer: "kept")
    await once.reply(note)
    house.clock.pass_(days=6)
    await tidy(house.core)
    with pytest.raises(Replayed):
        await once.reply(note)

    house.clock.pass_(days=2)
    await tidy(house.core)
    await once.reply(note)

    assert len(await house.messages(ticket)) == 3


async def test_what_a_killed_process_left_half_done_goes_after_a_day(house: House) -> None:
    old, new = house.core.files.scratch(), house.core.files.scratch()
    yesterday = time.time() - 90_000
    os.utime(old, (yesterday, yesterday))

    await tidy(house.core)

    assert not old.exists()
    assert new.exists()


async def test_what_came_to_rest_in_a_removed_account_is_given_up_where_people_see_it(house: House) -> None:
    account = await accounts.find(house.core, "Papel")
    await accounts.remove(house.core, SYSTEM, account.id)
    await raw.put(house.core, account.id, (letter(),))

    await tidy(house.core)

    [parked] = await house.system.parked(RawId(0))
    assert "was removed" in parked["error"]
