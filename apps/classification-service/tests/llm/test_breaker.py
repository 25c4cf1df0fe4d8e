import asyncio

from classification_service.llm.breaker import FAILURES, Breaker


def broken(pause: float) -> Breaker:
    breaker = Breaker(pause)
    for _ in range(FAILURES):
        assert breaker.allow()
        breaker.failed("down")
    return breaker


def test_it_opens_after_failures_in_a_row() -> None:
    breaker = broken(60)
    assert (breaker.state, breaker.allow(), breaker.reason) == ("open", False, "down")


def test_a_success_between_failures_keeps_it_closed() -> None:
    breaker = Breaker(60)
    for _ in range(FAILURES):
        breaker.failed("down")
        breaker.succeeded()
    assert (breaker.state, breaker.reason) == ("closed", None)


def test_a_final_failure_opens_it_at_once() -> None:
    breaker = Breaker(60)
    breaker.failed("401", final=True)
    assert breaker.state == "open"


async def test_after_the_pause_one_call_is_tried_and_closes_it() -> None:
    breaker = broken(0.05)
    await asyncio.sleep(0.06)
    assert (breaker.state, breaker.allow(), breaker.allow()) == ("half-open", True, False)
    breaker.succeeded()
    assert (breaker.state, breaker.allow(), breaker.allow()) == ("closed", True, True)


async def test_a_failed_trial_doubles_the_pause() -> None:
    breaker = broken(0.5)
    await asyncio.sleep(0.51)
    assert breaker.allow()
    breaker.failed("still down")
    await asyncio.sleep(0.51)
    assert (breaker.state, breaker.reason) == ("open", "still down")
    await asyncio.sleep(0.5)
    assert breaker.state == "half-open"


async def test_a_trial_without_an_outcome_leaves_the_next_call_to_try() -> None:
    breaker = broken(0.05)
    await asyncio.sleep(0.06)
    assert breaker.allow()
    breaker.undecided()
    assert breaker.allow()
