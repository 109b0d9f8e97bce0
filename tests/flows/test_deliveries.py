"""How messages leave: lanes, pauses, refusals, doubt, and an agent's word."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from fluxki_core.domain.errors import Forbidden, NoChannel, NotFound
from fluxki_core.domain.events import (
    DeliveryDiscarded,
    DeliveryFailed,
    DeliveryRetried,
    DeliveryUncertain,
    MessageSent,
)
from fluxki_core.domain.ids import DeliveryId, RawId, TicketId
from fluxki_core.domain.people import SYSTEM
from fluxki_core.domain.permissions import PermissionLevel
from fluxki_core.domain.tickets import DeliveryState, DeliveryView
from fluxki_core.domain.traffic import Outgoing, SendLater, SendRejected, SendUncertain, Sent
from fluxki_core.services import accounts, delivering, raw
from fluxki_core.services.desk import CoreDesk
from fluxki_core.storage.queries import deliveries
from house import House
from paper import letter

SENT, QUEUED, FAILED, UNCERTAIN = (
    DeliveryState.SENT,
    DeliveryState.QUEUED,
    DeliveryState.FAILED,
    DeliveryState.UNCERTAIN,
)


def refuse(house: House, error: Callable[[], Exception], *, text: str = "", times: int = 1000) -> None:
    """Has the channel raise for messages with the text in them, so many times."""
    left = [times]

    async def sending(outgoing: Outgoing) -> Sent:
        if text in outgoing.body_text and left[0] > 0:
            left[0] -= 1
            raise error()
        return await house.paper.send(outgoing)

    house.paper.sending = sending


async def served(house: House, *texts: str) -> tuple[CoreDesk, TicketId]:
    """A ticket with these replies waiting to leave."""
    ana = await house.agent()
    number = await house.analyzed_ticket(ana)
    for text in texts:
        await house.reply(ana, number, text)
    return ana, number


async def states(house: House, number: TicketId) -> list[DeliveryState]:
    return [each.state for each in await house.deliveries(number)]


async def only(house: House, number: TicketId) -> DeliveryView:
    [delivery] = await house.deliveries(number)
    return delivery


def left(house: House) -> list[str]:
    return [each.body_text for each in house.paper.pile]


async def test_messages_of_one_ticket_leave_in_their_order(house: House) -> None:
    _, number = await served(house, "1", "2", "3")
    refuse(house, lambda: SendLater(house.clock() + timedelta(minutes=5), "ocupado"), text="1", times=1)
    assert await house.send() == 1
    assert left(house) == []
    assert await states(house, number) == [QUEUED, QUEUED, QUEUED]
    house.clock.pass_(minutes=6)
    await house.send()
    assert left(house) == ["1", "2", "3"]
    assert [each.attempt for each in house.paper.pile] == [2, 1, 1]


async def test_a_ticket_that_waits_holds_up_no_other(house: House) -> None:
    ana, first = await served(house, "1", "2")
    other = await house.analyzed_ticket(ana)
    await house.reply(ana, other, "outro")
    refuse(house, lambda: SendLater(house.clock() + timedelta(hours=1), "ocupado"), text="1")
    await house.send()
    assert left(house) == ["outro"]
    assert await states(house, first) == [QUEUED, QUEUED]
    [waiting] = await ana.deliveries(DeliveryId(0))
    assert (waiting.ticket, waiting.reason, waiting.attempts) == (first, "ocupado", 1)


async def test_a_pause_of_the_whole_account_holds_up_all_its_tickets_and_no_other_account(house: House) -> None:
    ana, first = await served(house, "1")
    other = await house.analyzed_ticket(ana)
    await house.reply(ana, other, "outro")
    await house.account("Vendas", "paper")
    sales = await house.ticket_from(letter(), "Vendas")
    await house.analyze(ana, sales)
    await house.reply(ana, sales, "venda")
    until = house.clock() + timedelta(hours=1)
    refuse(house, lambda: SendLater(until, "limite do dia", account_wide=True), text="1", times=1)
    await house.send()
    assert left(house) == ["venda"]
    paper = (await accounts.find(house.core, "Papel")).id
    assert (await accounts.view(house.core, SYSTEM, paper)).send_error == "limite do dia"
    assert await house.send() == 0
    house.clock.pass_(hours=1, seconds=1)
    await house.send()
    assert sorted(left(house)) == ["1", "outro", "venda"]
    assert (await accounts.view(house.core, SYSTEM, paper)).send_error == ""
    assert await states(house, first) == [SENT]


async def test_d41_what_is_refused_for_good_is_shown_as_failed_with_the_reason(house: House) -> None:
    ana, number = await served(house, "1", "2")
    refuse(house, lambda: SendRejected("caixa cheia"), text="1")
    await house.send()
    assert await states(house, number) == [FAILED, SENT]
    [failed] = await ana.deliveries(DeliveryId(0))
    assert (failed.reason, failed.recipient) == ("caixa cheia", "maria@escola.example")
    assert [each.reason for each in await house.happened(DeliveryFailed, number)] == ["caixa cheia"]
    house.clock.pass_(days=30)
    assert await house.send() == 0


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (lambda: SendUncertain("a linha caiu"), "a linha caiu"),
        (lambda: ValueError("nada a ver"), "nada a ver"),
        (lambda: KeyError(), "KeyError()"),
    ],
    ids=["said so", "any exception", "one without words"],
)
async def test_what_may_have_left_is_uncertain_and_never_sent_again_by_itself(
    house: House, error: Callable[[], Exception], reason: str
) -> None:
    _, number = await served(house, "1", "2")
    refuse(house, error, text="1")
    await house.send()
    assert await states(house, number) == [UNCERTAIN, SENT]
    assert [each.reason for each in await house.happened(DeliveryUncertain, number)] == [reason]
    house.clock.pass_(days=30)
    assert await house.send() == 0
    assert left(house) == ["2"]


async def test_a_message_whose_file_is_lost_is_failed_and_not_sent(house: House) -> None:
    ana, number = await served(house)
    file = await ana.upload("nota.txt", "text/plain", b"nota")
    await house.reply(ana, number, files=(file.id,))
    (await ana.file(file.id)).path.unlink()
    await house.send()
    delivery = await only(house, number)
    assert delivery.state is FAILED
    assert "backup" in delivery.reason
    assert left(house) == []
    assert len(await house.happened(DeliveryFailed, number)) == 1


@pytest.mark.parametrize("error", [SendRejected, SendUncertain], ids=["failed", "uncertain"])
async def test_an_agents_word_sends_again(house: House, error: type[Exception]) -> None:
    ana, number = await served(house, "1")
    refuse(house, lambda: error("não deu"), times=1)
    await house.send()
    delivery = await only(house, number)
    again = await ana.retry_delivery(delivery.id)
    assert (again.state, again.reason) == (QUEUED, "")
    await house.send()
    assert left(house) == ["1"]
    assert (await only(house, number)).state is SENT
    assert [each.delivery for each in await house.happened(DeliveryRetried, number)] == [delivery.id]
    assert len(await house.happened(MessageSent, number)) == 1


async def test_an_agents_word_hurries_what_waits(house: House) -> None:
    ana, number = await served(house, "1")
    refuse(house, lambda: SendLater(house.clock() + timedelta(days=1), "amanhã"), times=1)
    await house.send()
    assert await house.send() == 0
    await ana.retry_delivery((await only(house, number)).id)
    assert await house.send() == 1
    assert left(house) == ["1"]


async def test_what_is_given_up_is_not_sent_and_lets_the_next_go(house: House) -> None:
    ana, number = await served(house, "1", "2")
    refuse(house, lambda: SendLater(house.clock() + timedelta(days=1), "amanhã"), text="1")
    await house.send()
    first = (await house.deliveries(number))[0]
    assert (await ana.discard_delivery(first.id)).state is DeliveryState.DISCARDED
    await house.send()
    assert left(house) == ["2"]
    assert [each.delivery for each in await house.happened(DeliveryDiscarded, number)] == [first.id]
    assert len(await house.texts(number)) == 3
    assert await ana.deliveries(DeliveryId(0)) == []


async def test_what_was_sent_is_neither_sent_again_nor_given_up(house: House) -> None:
    ana, number = await served(house, "1")
    await house.send()
    delivery = (await only(house, number)).id
    for order in (ana.retry_delivery(delivery), ana.discard_delivery(delivery), ana.retry_delivery(DeliveryId(999))):
        with pytest.raises(NotFound):
            await order
    assert await house.happened(DeliveryRetried) == []


async def test_what_was_started_and_not_ended_in_time_is_uncertain(house: House) -> None:
    _, number = await served(house, "1")
    seen: list[DeliveryState] = []

    async def sending(outgoing: Outgoing) -> Sent:
        seen.append((await only(house, number)).state)
        assert await delivering.mark_lapsed(house.core) == 0
        house.clock.pass_(seconds=delivering.LEASE_SECONDS + 1)
        assert await delivering.mark_lapsed(house.core) == 1
        return await house.paper.send(outgoing)

    house.paper.sending = sending
    await house.send()
    assert seen == [DeliveryState.STARTED]
    delivery = await only(house, number)
    assert (delivery.state, delivery.reason) == (UNCERTAIN, delivering.LAPSED)
    assert len(await house.happened(DeliveryUncertain, number)) == 1
    assert await house.happened(MessageSent, number) == []


@pytest.mark.parametrize(
    "error", [SendRejected("não"), SendLater(datetime(2099, 1, 1, tzinfo=UTC), "depois", account_wide=True)]
)
async def test_a_result_under_a_lease_that_ran_out_does_not_count(house: House, error: Exception) -> None:
    ana, number = await served(house, "1")
    calls: list[int] = []

    async def sending(outgoing: Outgoing) -> Sent:
        calls.append(outgoing.attempt)
        if len(calls) > 1:
            return await house.paper.send(outgoing)
        house.clock.pass_(hours=1)
        await delivering.mark_lapsed(house.core)
        await ana.retry_delivery(outgoing.delivery)
        await house.send()
        raise error

    house.paper.sending = sending
    await house.send()
    assert (await only(house, number)).state is SENT
    assert left(house) == ["1"]
    assert await house.happened(DeliveryFailed, number) == []
    paper = (await accounts.find(house.core, "Papel")).id
    assert (await accounts.view(house.core, SYSTEM, paper)).send_error == ""


async def test_a_started_delivery_is_neither_retried_nor_given_up_nor_overtaken(house: House) -> None:
    ana, number = await served(house, "1", "2")

    async def sending(outgoing: Outgoing) -> Sent:
        if outgoing.body_text == "1":
            for order in (ana.retry_delivery(outgoing.delivery), ana.discard_delivery(outgoing.delivery)):
                with pytest.raises(NotFound):
                    await order
            assert await house.send() == 0
        return await house.paper.send(outgoing)

    house.paper.sending = sending
    await house.send()
    assert left(house) == ["1", "2"]
    assert await states(house, number) == [SENT, SENT]


async def test_only_who_may_reply_sends_again_or_gives_up(house: House) -> None:
    _, number = await served(house, "1")
    refuse(house, lambda: SendRejected("não"))
    await house.send()
    delivery = (await only(house, number)).id
    other = await house.agent("Bia", departments=(await house.department("Financeiro"),))
    for order in (other.retry_delivery(delivery), other.discard_delivery(delivery)):
        with pytest.raises(NotFound):
            await order
    assert await other.deliveries(DeliveryId(0)) == []
    await house.join(other, number, PermissionLevel.VIEW)
    assert [each.id for each in await other.deliveries(DeliveryId(0))] == [delivery]
    for order in (other.retry_delivery(delivery), other.discard_delivery(delivery)):
        with pytest.raises(Forbidden):
            await order
    await house.join(other, number, PermissionLevel.REPLY)
    assert (await other.retry_delivery(delivery)).state is QUEUED


async def test_troubled_deliveries_are_listed_page_by_page(house: House) -> None:
    ana, _ = await served(house, "1", "2", "3")
    refuse(house, lambda: SendRejected("não"))
    await house.send()
    first = await ana.deliveries(DeliveryId(0), 2)
    rest = await ana.deliveries(first[-1].id, 2)
    assert [each.state for each in (*first, *rest)] == [FAILED] * 3
    assert len({each.id for each in (*first, *rest)}) == 3


async def test_what_waits_for_a_removed_account_fails_where_people_see_it(house: House) -> None:
    ana, number = await served(house, "Olá")
    account = await accounts.find(house.core, "Papel")
    await raw.put(house.core, account.id, (letter(text="Ainda não lida"),))

    await accounts.remove(house.core, SYSTEM, account.id)

    delivery = await only(house, number)
    assert delivery.state is FAILED
    assert "was removed" in delivery.reason
    assert len(await house.happened(DeliveryFailed, number)) == 1
    assert [each.id for each in await ana.deliveries(DeliveryId(0))] == [delivery.id]
    with pytest.raises(NoChannel, match="write the message again"):
        await ana.retry_delivery(delivery.id)
    [parked] = await house.system.parked(RawId(0))
    assert await house.system.replay([]) == []
    with pytest.raises(NotFound, match="removed"):
        await house.system.replay([parked["id"]])
    assert await house.system.discard_parked([parked["id"]]) == [parked["id"]]


@pytest.mark.sqlite_only  # the plans of an empty PostgreSQL say nothing
async def test_looking_for_trouble_reads_no_history(house: House) -> None:
    for asked in (deliveries.any_lapsed(house.clock()), deliveries.troubled(SYSTEM, DeliveryId(0), 50)):
        plan = await house.core.unit.read(asked._replace(template=f"EXPLAIN QUERY PLAN {asked.template}"))
        steps = [str(row["detail"]) for row in plan]
        assert not [each for each in steps if each in ("SCAN delivery", "SCAN d")], steps
        assert not [each for each in steps if "rowid>" in each], steps


async def test_faults_of_the_account_do_not_use_up_the_tries_of_its_deliveries(house: House) -> None:
    ana, number = await served(house, "1")
    tried: list[int] = []

    async def sending(outgoing: Outgoing) -> Sent:
        tried.append(outgoing.attempt)
        if len(tried) < 4:
            raise SendLater(house.clock() + timedelta(minutes=1), "senha recusada", account_wide=True)
        if len(tried) == 4:
            raise SendLater(house.clock() + timedelta(minutes=1), "tente mais tarde")
        return await house.paper.send(outgoing)

    house.paper.sending = sending
    for _ in range(5):
        await house.send()
        if len(tried) == 1:
            assert [each.reason for each in await ana.deliveries(DeliveryId(0))] == ["senha recusada"]
        house.clock.pass_(minutes=2)

    assert tried == [1, 1, 1, 1, 2]
    assert await states(house, number) == [SENT]
