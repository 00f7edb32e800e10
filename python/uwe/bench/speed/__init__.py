"""How fast this machine ranks: beside its own limits, a full scan, and torch if installed.

`measure_speed` takes the figures, `draw_speed` draws them, `uwe bench speed` prints them.
Contestants take turns, so that a ratio holds while the machine's speed drifts, and their answers
are compared before a time is taken.
"""

from uwe.bench.speed.figures import draw_speed
from uwe.bench.speed.run import measure_speed

__all__ = ["draw_speed", "measure_speed"]
