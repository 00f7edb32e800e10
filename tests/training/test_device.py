"""The device of a run: a change is an error of ours, what accelerate refuses stays its own."""

from __future__ import annotations

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
