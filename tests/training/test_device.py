"""The device of a run: a change is an error of ours, what accelerate refuses stays its own."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from uwe.errors import InputError
from uwe.training import device


def refuse(**settings: object) -> None:
    raise ValueError("no such device")


@pytest.mark.parametrize(
    ("before", "error", "message"),
    [(True, InputError, "can not change to a CPU"), (False, ValueError, "no such device")],
)
def test_a_refusal_is_a_change_of_device_only_after_a_run(
    before: bool, error: type[Exception], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "Accelerator", refuse)
    monkeypatch.setattr(device, "is_initialized", lambda: before)
    with pytest.raises(error, match=message):
        device.accelerator_of(cpu=True)


def test_a_setting_of_accelerate_that_says_otherwise_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = SimpleNamespace(device=SimpleNamespace(type="cpu"))
    monkeypatch.setattr(device, "Accelerator", lambda **settings: found)
    monkeypatch.setattr(device, "is_initialized", lambda: False)
    with pytest.raises(InputError, match="unset ACCELERATE_USE_CPU"):
        device.accelerator_of(cpu=False)
