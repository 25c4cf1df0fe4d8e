import asyncio

from nexus_chassis.drain import Drain


async def test_who_waits_is_told_when_draining_begins() -> None:
    drain = Drain(10)
    waiting = asyncio.create_task(drain.wait())
    await asyncio.sleep(0)
    before = drain.started, waiting.done()
    drain.start()
    await waiting

    assert before == (False, False)
    assert drain.started


def test_connections_end_at_different_moments_before_serving_ends() -> None:
    moments = sorted(Drain(10).random_moment() for _ in range(1000))

    assert 0 <= moments[0] < 0.5
    assert 7.5 < moments[-1] <= 8
    assert 3.5 < moments[500] < 4.5


def test_without_a_time_to_drain_connections_end_at_once() -> None:
    assert Drain().random_moment() == 0
