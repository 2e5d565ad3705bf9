"""Input sizes of a network beside its native one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from kit.errors import InputError

Size = tuple[int, int]


def parse_sizes(
    input_sizes: Iterable[Sequence[int]], image_size: Size, multiple: int
) -> tuple[Size, ...]:
    """Check input sizes against the native one.

    Args:
        input_sizes: Each `(height, width)` in pixels.
        image_size: The native one.
        multiple: What heights and widths are multiples of, pixels: the network's stride.

    Returns:
        The sizes, smallest first.

    Raises:
        InputError: if one is no pair of multiples, not smaller than the native one, or there twice.
    """
    sizes = [tuple(size) for size in input_sizes]
    for size in sizes:
        fits = len(size) == 2 and all(
            isinstance(side, int) and 0 < side <= most and side % multiple == 0
            for side, most in zip(size, image_size, strict=True)
        )
        if not fits or size == tuple(image_size):
            raise InputError(
                f"`input_sizes` must be (height, width), multiples of {multiple} and smaller than "
                f"the native {image_size[0]}x{image_size[1]}; received: {size}"
            )
        if sizes.count(size) > 1:
            raise InputError(f"`input_sizes` must differ; received twice: {size}")
    return tuple(sorted(((h, w) for h, w in sizes), key=lambda size: (math.prod(size), size)))
