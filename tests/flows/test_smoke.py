from house import House
from paper import letter
from fluxki_core.domain.kinds import TicketState


async def test_way(house: House) -> None:
    ana = await house.agent()
    t = await house.ticket_from(letter())
    await house.analyze(ana, t)
    await house.reply(ana, t, stage=house.stages["Em andamento"])
    assert await house.send() == 1
    [out] = house.paper.pile
    await house.ticket_from(letter(text="obrigada", tokens=[out.token]))
    assert len(await house.messages(t)) == 3
    await ana.finish(t)
    assert (await house.ticket(t)).state is TicketState.FINISHED
    await house.announce()
    print([e.what for e in house.listening.heard])
    print(await house.history(t))
