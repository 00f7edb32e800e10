"""The device of a run, which accelerate decides once a process, and its memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
from accelerate import Accelerator, InitProcessGroupKwargs
from accelerate.state import is_initialized

from uwe.errors import InputError, TrainingError

__all__ = ["accelerator_of", "attention_of", "memory_errors"]


def accelerator_of(*, cpu: bool) -> Accelerator:
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
        f"this process has trained on another device before, and can not change to {device}: start "
        "a new one"
    )


def attention_of(accelerator: Accelerator, *, bf16: bool) -> str | None:
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
