"""A plugin that raises, hangs or lies in `channel_send`: what may have left is never sent again by itself."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flows.robustness.test_parsing_plugins import Naughty, _stubborn
from flows.robustness.worker import count
from fluxki_core.domain.ids import DeliveryId, TicketId
from fluxki_core.domain.tickets import DeliveryState, DeliveryView
from fluxki_core.domain.traffic import Outgoing, SendLater, SendRejected, SendUncertain, Sent
from fluxki_core.services.desk import CoreDesk
from house import House, opened_house
from paper import letter


@pytest.fixture
async def house(house_url: str, tmp_path: Path) -> AsyncIterator[House]:
    async with opened_house(house_url, tmp_path, send_seconds=0.2) as house:
        yield house


async def written(house: House, **more: Any) -> tuple[CoreDesk, TicketId]:
    """A reply that waits to be sent."""
    ana = await house.agent()
    ticket = await house.ticket_from(letter())
    await house.analyze(ana, ticket)
    await house.reply(ana, ticket, **more)
    return ana, ticket


async def delivery_of(house: House, ticket: TicketId) -> DeliveryView:
    (delivery,) = [each for message in await house.messages(ticket) for each in message.delivery]
    return delivery


def sending(house: House, how: Any) -> list[Outgoing]:
    """Has the channel do `how`: raise it, run it, or answer it. Gives what the channel is asked to send."""
    asked: list[Outgoing] = []

    async def send(outgoing: Outgoing) -> Any:
        asked.append(outgoing)
        if isinstance(how, BaseException):
            raise how
        return await how() if callable(how) else how

    house.paper.sending = send
    return asked


DOUBTS: list[tuple[Any, str]] = [
    (ValueError("broken"), "broken"),
    (ValueError("NUL \x00 \ud800"), "NUL  ?"),
    (ValueError(), "ValueError()"),
    (SendUncertain("talvez"), "talvez"),
    (SystemExit(1), "tried to end the process"),
    (KeyboardInterrupt(), "tried to end the process"),
    (asyncio.CancelledError(), "cancelled by the plugin itself"),
    (Naughty(), "no Exception"),
    (lambda: asyncio.sleep(60), "took longer than 0.2 s"),
    (_stubborn, "took longer than 0.2 s"),
    (None, "instead of Sent"),
    ("250 ok", "instead of Sent"),
    (Sent(outside_id=5), "other types"),  # type: ignore[arg-type]
    (Sent(detail=None), "other types"),  # type: ignore[arg-type]
    (Sent(outside_id="\x00\ud800"), "cannot be stored"),
]


@pytest.mark.parametrize(("how", "reason"), DOUBTS)
async def test_a_channel_that_fails_in_sending_leaves_it_uncertain_and_is_not_asked_again(
    house: House, how: Any, reason: str
) -> None:
    ana, ticket = await written(house)
    asked = sending(house, how)
    assert await house.send() == 1
    delivery = await delivery_of(house, ticket)
    assert delivery.state is DeliveryState.UNCERTAIN
    assert reason in delivery.reason
    house.clock.pass_(days=30)
    assert await house.send() == 0
    assert len(asked) == 1
    assert await count(house, "event WHERE name = 'delivery_uncertain' AND ticket_id = {}", ticket) == 1
    sending(house, Sent())
    await ana.retry_delivery(delivery.id)
    assert await house.send() == 1
    assert (await delivery_of(house, ticket)).state is DeliveryState.SENT


async def test_a_giant_answer_is_cut_and_the_delivery_counts_as_sent(house: House) -> None:
    _, ticket = await written(house)
    sending(house, Sent(outside_id="x" * 1_000_000, detail="y\x00" * 1_000_000))
    assert await house.send() == 1
    delivery = await delivery_of(house, ticket)
    assert delivery.state is DeliveryState.SENT
    assert len(delivery.reason) <= 2000


async def test_a_rejection_is_final_and_said_in_the_channels_words(house: House) -> None:
    _, ticket = await written(house)
    sending(house, SendRejected("no such user \x00\ud800"))
    await house.send()
    delivery = await delivery_of(house, ticket)
    assert (delivery.state, delivery.reason) == (DeliveryState.FAILED, "no such user ?")


@pytest.mark.parametrize("until", [None, "tomorrow", datetime(2030, 1, 1), datetime(1970, 1, 1, tzinfo=UTC)])  # noqa: DTZ001
@pytest.mark.parametrize("account_wide", [True, False])
async def test_a_channel_that_names_no_time_to_come_is_asked_again_after_a_pause(
    house: House, until: Any, account_wide: bool
) -> None:
    _, ticket = await written(house)
    asked = sending(house, SendLater(until, "later \x00", account_wide=account_wide))
    assert await house.send() == 1  # not again and again
    delivery = await delivery_of(house, ticket)
    assert (delivery.state, delivery.reason) == (DeliveryState.QUEUED, "later ")
    house.clock.pass_(minutes=2)
    assert await house.send() == 1
    assert len(asked) == 2


async def test_a_channel_cannot_put_a_message_off_for_ever(house: House) -> None:
    _, ticket = await written(house)
    sending(house, SendLater(datetime(9999, 1, 1, tzinfo=UTC), "never"))
    await house.send()
    assert (await delivery_of(house, ticket)).due_at < house.core.unit.now() + timedelta(days=8)


async def test_a_hanging_channel_costs_its_time_limit_and_no_more(house: House) -> None:
    await written(house)
    sending(house, _stubborn)
    began = time.monotonic()
    await house.send()
    assert time.monotonic() - began < 2.0


async def test_a_file_that_the_store_has_lost_makes_the_delivery_fail_with_the_cure(house: House) -> None:
    ana = await house.agent()
    ticket = await house.ticket_from(letter())
    await house.analyze(ana, ticket)
    file = await ana.upload("a.txt", "text/plain", b"bytes that will be lost")
    await house.reply(ana, ticket, files=(file.id,))
    for path in house.core.files.folder.rglob("*"):
        if path.is_file():
            path.unlink()
    asked = sending(house, Sent())
    await house.send()
    delivery = await delivery_of(house, ticket)
    assert delivery.state is DeliveryState.FAILED
    assert "restore them from a backup" in delivery.reason
    assert asked == []


async def test_an_agent_can_give_an_uncertain_delivery_up(house: House) -> None:
    ana, ticket = await written(house)
    sending(house, SendUncertain("talvez"))
    await house.send()
    (trouble,) = await ana.deliveries(DeliveryId(0))
    await ana.discard_delivery(trouble.id)
    assert (await delivery_of(house, ticket)).state is DeliveryState.DISCARDED
    assert await ana.deliveries(DeliveryId(0)) == []
