"""Named configurations, as data: one letter a block (`kit.tiers.BRANCHES`), lightest first.

The paper's six configurations are not public; these are this project's.
"""

from __future__ import annotations

from collections.abc import Mapping

_HEAVY = "h" * 16
# Blocks with a shortcut, of which the light branch is that shortcut alone, left out in every group.
_LEAN = "hl" + "hhl" + "hlll" + "hhl" + "hhl" + "h"

ADAPTIVE_UNET: Mapping[str, str] = {
    "light": _LEAN + "llls",
    "quick": _HEAVY + "llls",
    "medium": _HEAVY + "llll",
    "balanced": _HEAVY + "bbll",
    "strong": _HEAVY + "bbbl",
    "heavy": _HEAVY + "bbbb",
}

PLAIN_UNET: Mapping[str, str] = {"plain": "h" * 20}
