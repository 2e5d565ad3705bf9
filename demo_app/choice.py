"""The control of what runs: a tier, or a configuration as far as a picture needs."""

from dataclasses import dataclass

import numpy as np
import streamlit as st

from mobile_export.runtime import Result, Segmenter

_ADAPTIVE = "adaptive"
_USUAL = 80
"""Threshold where the bundle has none of its own, percent."""


@dataclass(frozen=True)
class Choice:
    """What the visitor chose.

    Args:
        configuration: name of the configuration.
        tier: name of the tier to run in one shot; None to leave at the first exit that is sure.
        threshold: confidence 0-1 at which to leave; each exit's own, as fitted, if None.
    """

    configuration: str
    tier: str | None
    threshold: float | None = None

    def run(self, segmenter: Segmenter, image: np.ndarray, *, native: bool = True) -> Result:
        """Segments an image that way.

        Args:
            segmenter: the bundle's segmenter.
            image: uint8 `(height, width, 3)`, RGB.
            native: give the mask at the network's size, which the browser stretches over the image.
        """
        if self.tier is not None:
            return segmenter(image, self.tier, native=native)
        return segmenter.adaptive(
            image, self.configuration, threshold=self.threshold, native=native
        )

    def thresholds(self, segmenter: Segmenter) -> dict[str, float]:
        """The confidence (0-1) at which a run leaves, for each exit in order; 0 for the last."""
        exits = chained_exits(segmenter, self.configuration)
        fitted = {tier: segmenter.info(tier).image_threshold for tier in exits}
        given = {tier: fitted[tier] if self.threshold is None else self.threshold for tier in exits}
        return {tier: given[tier] or 0.0 for tier in exits[:-1]} | {exits[-1]: 0.0}


def has_exits(segmenter: Segmenter) -> bool:
    """True if a tier of the bundle is an early exit."""
    return any(segmenter.info(tier).exit for tier in segmenter.tiers)


def exit_title(segmenter: Segmenter, tier: str) -> str:
    """What the page calls a tier's exit: `exit 1`, `exit 2`, ..., `final`."""
    depth = segmenter.info(tier).exit
    return "final" if depth is None else f"exit {depth}"


def chained_exits(segmenter: Segmenter, configuration: str) -> tuple[str, ...]:
    """The exits of a configuration that its stages lead to, in order; none without stages."""
    exits = segmenter.exits(configuration)
    return tuple(tier for tier in exits if segmenter.info(tier).stages)


def choose(segmenter: Segmenter, key: str) -> Choice:
    """Draws the control: one of the tiers, or of configurations and exits where there are any.

    Args:
        segmenter: the bundle's segmenter.
        key: tells one bundle's control from another's.
    """
    if not has_exits(segmenter):
        tier = _control("Tier", segmenter.tiers, segmenter.default_tier, f"tier of {key}")
        return Choice(segmenter.info(tier).configuration, tier)
    default = segmenter.info(segmenter.default_tier).configuration
    exits = segmenter.exits(segmenter.configurations[0])
    left, right = st.columns([2 + len(segmenter.configurations), 3 + len(exits)])
    with left:
        configuration = _control(
            "Configuration", segmenter.configurations, default, f"configuration of {key}"
        )
    titles = {exit_title(segmenter, tier): tier for tier in segmenter.exits(configuration)}
    if len(titles) == 1:
        return Choice(configuration, segmenter.exits(configuration)[0])
    options = [*titles, *([_ADAPTIVE] if chained_exits(segmenter, configuration) else [])]
    usual = exit_title(segmenter, segmenter.default_tier)
    with right:
        title = _control(
            "Exit",
            options,
            usual if usual in titles else list(titles)[-1],
            # The same for all configurations of these exits, so that a switch keeps the exit.
            f"exit of {key}, {', '.join(options)}",
        )
    if title != _ADAPTIVE:
        return Choice(configuration, titles[title])
    return Choice(configuration, None, _threshold(segmenter, configuration, key))


def _control(title: str, options: tuple[str, ...] | list[str], default: str, key: str) -> str:
    return st.segmented_control(
        title, options, default=default, required=True, key=key, width="stretch"
    )


def _threshold(segmenter: Segmenter, configuration: str, key: str) -> float | None:
    """Draws the threshold of an adaptive run: as fitted, or one for all exits (0-1)."""
    early = chained_exits(segmenter, configuration)[:-1]
    fitted = all(segmenter.info(tier).image_threshold is not None for tier in early)
    left, right = st.columns([7, 3], gap="large", vertical_alignment="bottom")
    as_fitted = fitted and right.toggle(
        "As fitted",
        value=True,
        key=f"as fitted of {key}",
        help="Each exit leaves at the threshold of its own that the bundle has.",
    )
    percent = left.slider(
        "Leave at the first exit that is sure of this share of the pixels",
        0,
        100,
        _USUAL,
        format="%d %%",
        disabled=as_fitted,
        key=f"threshold of {key}",
    )
    return None if as_fitted else percent / 100
