"""The queue in front of a thread: company, order, limits, errors, the end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from uwe.errors import InputError
from uwe.service.lane import FullError, Lane, StoppedError


class Held:
    """Doubles numbers; the first batch waits until it is let go."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.running = threading.Event()
        self.batches: list[tuple[str, list[int]]] = []

    def __call__(self, key: str, items: list[int]) -> list[int]:
        self.batches.append((key, items))
        self.running.set()
        self.go.wait(30)
        if 13 in items:
            raise InputError("13 is refused")
        return [2 * item for item in items]


async def _started(lane: Lane[str, int, int], held: Held) -> asyncio.Task[list[int]]:
    """A job that runs and is held."""
    first = asyncio.create_task(lane.submit("a", [0]))
    while not held.running.is_set():
        await asyncio.sleep(0)
    return first


def test_jobs_that_wait_run_together_if_they_have_the_same_key() -> None:
    async def run() -> None:
        held = Held()
        waiting: list[int] = []
        lane = Lane(held, together=4, waiting=100, on_waiting=waiting.append)
        first = await _started(lane, held)
        jobs = [
            asyncio.create_task(lane.submit(key, items))
            for key, items in [("a", [1, 2]), ("b", [3]), ("a", [4]), ("a", [5, 6])]
        ]
        await asyncio.sleep(0)
        assert waiting[-1] == 6
        held.go.set()
        assert await first == [0]
        assert await asyncio.gather(*jobs) == [[2, 4], [6], [8], [10, 12]]
        # [5, 6] would have made the batch of key a too large.
        assert held.batches == [("a", [0]), ("a", [1, 2, 4]), ("b", [3]), ("a", [5, 6])]
        assert waiting[-1] == 0
        await lane.stop()

    asyncio.run(run())


def test_an_error_belongs_to_the_job_that_made_it() -> None:
    async def run() -> None:
        held = Held()
        lane = Lane(held, together=8, waiting=100)
        first = await _started(lane, held)
        jobs = [asyncio.create_task(lane.submit("a", [n])) for n in (12, 13, 14)]
        await asyncio.sleep(0)
        held.go.set()
        await first
        found = await asyncio.gather(*jobs, return_exceptions=True)
        assert found[0] == [24]
        assert isinstance(found[1], InputError)
        assert found[2] == [28]
        await lane.stop()

    asyncio.run(run())


def test_a_job_whose_caller_has_gone_is_not_run() -> None:
    async def run() -> None:
        held = Held()
        waiting: list[int] = []
        lane = Lane(held, together=8, waiting=100, on_waiting=waiting.append)
        first = await _started(lane, held)
        gone, stays = (asyncio.create_task(lane.submit("a", [n])) for n in (1, 2))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.sleep(0)
        held.go.set()
        assert await stays == [4]
        assert await first == [0]
        assert held.batches == [("a", [0]), ("a", [2])]
        assert waiting[-1] == 0
        await lane.stop()

    asyncio.run(run())


def test_a_batch_that_nobody_waits_for_ends_at_its_next_result() -> None:
    async def run() -> None:
        running, go, done = threading.Event(), threading.Event(), list[int]()

        def double(_: str, items: list[int]) -> Iterator[int]:
            for item in items:
                running.set()
                go.wait(30)
                done.append(item)
                yield 2 * item

        lane = Lane(double, together=8, waiting=100)
        gone = asyncio.create_task(lane.submit("a", [1, 2, 3]))
        while not running.is_set():
            await asyncio.sleep(0)
        gone.cancel()
        await asyncio.sleep(0)
        go.set()
        assert await lane.submit("a", [4]) == [8]
        assert done == [1, 4]
        await lane.stop()

    asyncio.run(run())


def test_a_full_queue_refuses_and_takes_again_when_it_is_not() -> None:
    async def run() -> None:
        held = Held()
        lane = Lane(held, together=8, waiting=3)
        first = await _started(lane, held)
        waiting = asyncio.create_task(lane.submit("a", [1, 2]))
        await asyncio.sleep(0)
        with pytest.raises(FullError, match="2 texts wait"):
            await lane.submit("a", [3, 4])
        held.go.set()
        assert await first == [0]
        assert await waiting == [2, 4]
        # One job may be larger than the queue: it would never fit otherwise.
        assert await lane.submit("a", [1, 2, 3, 4]) == [2, 4, 6, 8]
        await lane.stop()

    asyncio.run(run())


def test_stop_answers_what_was_taken_and_refuses_the_rest() -> None:
    async def run() -> None:
        held = Held()
        lane = Lane(held, together=1, waiting=100)
        first = await _started(lane, held)
        jobs = [asyncio.create_task(lane.submit("a", [n])) for n in range(1, 4)]
        await asyncio.sleep(0)
        stopping = asyncio.create_task(lane.stop())
        await asyncio.sleep(0)
        with pytest.raises(StoppedError):
            await lane.submit("a", [9])
        held.go.set()
        await stopping
        assert [await first, *await asyncio.gather(*jobs)] == [[0], [2], [4], [6]]

    asyncio.run(run())
