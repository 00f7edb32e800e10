"""The process of a run: its device, and Ctrl-C."""

from __future__ import annotations

import signal
from types import SimpleNamespace

import pytest

from uwe.errors import InputError
from uwe.training import process


def refuse(**settings: object) -> None:
    raise ValueError("no such device")


@pytest.mark.parametrize(
    ("before", "error", "message"),
    [(True, InputError, "CPU"), (False, ValueError, "no such device")],
)
def test_a_refusal_is_a_change_of_device_only_after_a_run(
    before: bool, error: type[Exception], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "Accelerator", refuse)
    monkeypatch.setattr(process, "is_initialized", lambda: before)
    with pytest.raises(error, match=message):
        process.new_accelerator(cpu=True)


def test_a_setting_of_accelerate_that_says_otherwise_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = SimpleNamespace(device=SimpleNamespace(type="cpu"))
    monkeypatch.setattr(process, "Accelerator", lambda **settings: found)
    monkeypatch.setattr(process, "is_initialized", lambda: False)
    with pytest.raises(InputError, match="unset ACCELERATE_USE_CPU"):
        process.new_accelerator(cpu=False)


def test_the_second_ctrl_c_stops_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    before = signal.getsignal(signal.SIGINT)
    with process.interruptible() as found:
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
    with process.interruptible() as found:
        assert (signal.getsignal(signal.SIGTERM) != before) is is_noted
        if is_noted:
            signal.raise_signal(signal.SIGTERM)
            assert found == [True]
    assert signal.getsignal(signal.SIGTERM) == before
