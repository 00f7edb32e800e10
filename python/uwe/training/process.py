"""The process of a run: its device, which accelerate decides once, its memory, its signals."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
from accelerate import Accelerator, InitProcessGroupKwargs
from accelerate.state import is_initialized

from uwe.errors import InputError, TrainingError

__all__ = ["fastest_attention", "interruptible", "memory_errors", "new_accelerator"]


def new_accelerator(*, cpu: bool) -> Accelerator:
    """What a run computes on, shared by its processes.

    Args:
        cpu: Whether that is a CPU, in place of a GPU.

    Raises:
        InputError: If this process has computed on the other before, or accelerate's settings
            take another.
        ValueError: If accelerate refuses the device, or what the environment says of it.
    """
    # Others wait while the first process validates.
    patient = InitProcessGroupKwargs(timeout=timedelta(hours=6))
    before = is_initialized()  # accelerate decides once a process, and refuses some changes
    try:
        accelerator = Accelerator(cpu=cpu, kwargs_handlers=[patient])
        if (accelerator.device.type == "cpu") == cpu:
            return accelerator
    except ValueError:
        if not before:
            raise
    device = "a CPU" if cpu else "a GPU"
    if not before:
        raise InputError(
            f"expected {device}, and accelerate takes another device: unset ACCELERATE_USE_CPU and "
            "what else of its settings says so, or train on the CPU (--cpu)"
        )
    raise InputError(
        f"this process has trained on another device before, and cannot change to {device}: start "
        "a new one"
    )


def fastest_attention(accelerator: Accelerator, *, bf16: bool) -> str | None:
    """Which of transformers' attentions is the fastest there; None for its own choice.

    That is the fused one, whose backward pass on a CPU takes four tenths of a step in bfloat16
    (torch 2.15).
    """
    return "eager" if bf16 and accelerator.device.type == "cpu" else None


@contextmanager
def memory_errors(step: int) -> Iterator[None]:
    """Say of a step that does not fit into memory how to go on.

    Raises:
        TrainingError: If it does not.
    """
    try:
        yield
    except RuntimeError as error:  # a GPU's has a class of its own, a CPU's has not
        if not isinstance(error, torch.OutOfMemoryError) and "allocate memory" not in str(error):
            raise
        raise TrainingError(
            f"step {step} does not fit into memory: {error}: go on from the last checkpoint with  "
            "--resume --set batches.gradient_cache=true  (or smaller batches.chunk_tokens and "
            "batches.tile_pairs), which give equal gradients"
        ) from error


@contextmanager
def interruptible() -> Iterator[list[bool]]:
    """A list that gets an entry at the first Ctrl-C or SIGTERM; a second one stops at once.

    SIGTERM is what schedulers of clusters and `timeout` send. Processes of torchrun die of it: it
    sends it where another process has failed, which would be waited for in vain.
    """
    found: list[bool] = []
    at: list[float] = []  # torchrun hands on the Ctrl-C that the terminal has sent already

    def noted(number: int, frame: Any) -> None:
        del number, frame
        if found and time.monotonic() - at[0] > 1.0:
            raise KeyboardInterrupt
        if not found:
            at.append(time.monotonic())
            found.append(True)

    alone = os.environ.get("WORLD_SIZE", "1") == "1"
    try:
        before = {
            number: signal.signal(number, noted)
            for number in (signal.SIGINT, *([signal.SIGTERM] if alone else []))
        }
    except ValueError:  # not in the main thread, which signals are sent to
        yield found
        return
    try:
        yield found
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
