"""Ctrl-C: the first is noted, what torchrun hands on of it is not a second one."""

from __future__ import annotations

import signal

import pytest

from uwe.training import interrupts


def test_the_second_ctrl_c_stops_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    before = signal.getsignal(signal.SIGINT)
    with interrupts.interruptible() as found:
        signal.raise_signal(signal.SIGINT)
        now[0] += 0.5  # torchrun hands on what the terminal has sent already
        signal.raise_signal(signal.SIGINT)
        assert found == [True]
        now[0] += 1.0
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) == before


@pytest.mark.parametrize(("processes", "is_noted"), [("1", True), ("2", False)])
def test_who_is_told_to_end_is_interrupted_unless_others_wait(
    monkeypatch: pytest.MonkeyPatch, processes: str, is_noted: bool
) -> None:
    monkeypatch.setenv("WORLD_SIZE", processes)
    before = signal.getsignal(signal.SIGTERM)
    with interrupts.interruptible() as found:
        assert (signal.getsignal(signal.SIGTERM) != before) is is_noted
        if is_noted:
            signal.raise_signal(signal.SIGTERM)
            assert found == [True]
    assert signal.getsignal(signal.SIGTERM) == before
