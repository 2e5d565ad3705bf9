"""Chooses the tier of each frame so that frames keep a time budget while a device slows."""

from collections import deque
from collections.abc import Mapping
from statistics import median

from mobile_export.runtime.errors import TiersegError

WINDOW = 40
"""Frames whose times tell how slow the device is now."""

_RANK = 4
_KEEP, _DOWN, _UP, _URGENT = 1.0, 0.9, 0.85, 1.25
"""Shares of the target, of the time expected of a tier: up to the first it is kept, up to the
second it is chosen in place of a slower one, up to the third of a faster one; beyond the fourth it
is left at once."""

_HOLD_S = 1.0
_FAILED_S = 5.0
_FIRST_WAIT_S, _LONGEST_WAIT_S = 2.0, 64.0


class FrameBudget:
    """The rule by which a `Governor` switches tiers; it knows no images and no clock.

    How slow the device is now is the fourth largest of its last 40 ratios of a frame's time to the
    nominal time of the tier that ran: three slow frames in forty count for nothing, four count at
    once, and a device that is fast again is believed after forty. The time expected of a tier is
    its nominal time multiplied so, plus the usual overhead of a frame.

    A tier that is expected to miss the target gives way to the best that takes 90 % of it; a better
    one that takes 85 % takes over. Between two switches lies a second, but for a tier that misses
    by a quarter or more, which is left once it has run for two frames. A tier that had to be left
    within five seconds of a switch up to it, and all slower ones, must wait for 2 s before they are
    tried again, and twice as long each further time, up to 64 s.

    Args:
        nominal_ms: time of each tier on a device that is not slowed down, milliseconds.
        quality: a number per tier that is higher for a better mask. Tiers that a faster one equals
            or beats are never chosen.
        target_ms: longest time of a frame, milliseconds.

    Attributes:
        tier: the tier to run next.
        switches: how often the tier has changed.

    Raises:
        TiersegError: there is no tier, a time is not above 0, or the two name different tiers.

    Example:
        budget = FrameBudget({"light": 8, "heavy": 20}, {"light": 0.5, "heavy": 0.6}, target_ms=33)
        budget.tier  # "heavy"
        for frame in range(4):
            budget.observe(61, now_s=frame / 15)
        budget.tier  # "light"
    """

    def __init__(
        self, nominal_ms: Mapping[str, float], quality: Mapping[str, float], target_ms: float
    ) -> None:
        if not nominal_ms or nominal_ms.keys() != quality.keys():
            raise TiersegError(
                f"`quality` must be of the tiers of `nominal_ms` ({', '.join(nominal_ms) or 'none'}"
                f"), one or more; got {', '.join(quality) or 'none'}"
            )
        for tier, value in nominal_ms.items():
            if not value > 0:
                raise TiersegError(f"`nominal_ms` of {tier} must be above 0, got {value}")
        self._nominal: dict[str, float] = {}
        for tier in sorted(nominal_ms, key=lambda tier: (nominal_ms[tier], -quality[tier])):
            if all(quality[tier] > quality[faster] for faster in self._nominal):
                self._nominal[tier] = nominal_ms[tier]
        self._ratios = deque([1.0] * _RANK, maxlen=WINDOW)
        self._overheads: deque[float] = deque(maxlen=WINDOW)
        self._last_switch_s = self._last_rise_s = -float("inf")
        self._frames = 0
        self._waits: dict[str, float] = {}
        self._barred_until_s: dict[str, float] = {}
        self.switches = 0
        self.target_ms = target_ms
        self.tier = self._best(_DOWN, list(self._nominal))

    @property
    def tiers(self) -> tuple[str, ...]:
        """The tiers that it chooses among, fastest and worst first."""
        return tuple(self._nominal)

    @property
    def target_ms(self) -> float:
        """Longest time of a frame, milliseconds; can be set at any time."""
        return self._target_ms

    @target_ms.setter
    def target_ms(self, value: float) -> None:
        if not value > 0:
            raise TiersegError(f"`target_ms` must be above 0, got {value}")
        self._target_ms = float(value)

    @property
    def slowdown(self) -> float:
        """How many times as long as nominal a frame takes now; 1 before the first."""
        return sorted(self._ratios)[-_RANK]

    def expected_ms(self, tier: str) -> float:
        """Time expected of a frame of a tier now, milliseconds."""
        overhead = median(self._overheads) if self._overheads else 0.0
        return self._nominal[tier] * self.slowdown + overhead

    def observe(self, latency_ms: float, now_s: float, overhead_ms: float = 0.0) -> str:
        """Takes down a frame that `tier` ran, and chooses the tier of the next.

        Args:
            latency_ms: time of its inference, milliseconds.
            now_s: when it ended, seconds of a clock that never goes back.
            overhead_ms: further time of the frame, which does not depend on the tier, milliseconds.

        Returns:
            `tier`.
        """
        self._ratios.append(latency_ms / self._nominal[self.tier])
        self._overheads.append(overhead_ms)
        self._frames += 1
        ladder = list(self._nominal)
        place = ladder.index(self.tier)
        held = now_s - self._last_switch_s >= _HOLD_S
        expected = self.expected_ms(self.tier)
        if expected > _KEEP * self._target_ms:
            urgent = expected > _URGENT * self._target_ms and self._frames >= 2
            if place and (held or urgent):
                self._bar(now_s)
                self._switch(self._best(_DOWN, ladder[:place]), now_s)
        elif held:
            free = [t for t in ladder[place + 1 :] if now_s >= self._barred_until_s.get(t, now_s)]
            better = [t for t in free if self._fits(t, _UP)]
            if better:
                self._switch(better[-1], now_s)
                self._last_rise_s = now_s
        return self.tier

    def _fits(self, tier: str, share: float) -> bool:
        return self.expected_ms(tier) <= share * self._target_ms

    def _best(self, share: float, ladder: list[str]) -> str:
        """The best tier that fits a share of the target, else the fastest."""
        return next((tier for tier in reversed(ladder) if self._fits(tier, share)), ladder[0])

    def _switch(self, tier: str, now_s: float) -> None:
        self.tier = tier
        self.switches += 1
        self._frames = 0
        self._last_switch_s = now_s

    def _bar(self, now_s: float) -> None:
        """Notes whether the switch up to the tier that is left had failed."""
        tier = self.tier
        if now_s - self._last_rise_s > _FAILED_S:
            self._waits.pop(tier, None)
            return
        wait = min(2 * self._waits.get(tier, _FIRST_WAIT_S / 2), _LONGEST_WAIT_S)
        self._waits[tier] = wait
        ladder = list(self._nominal)
        for slower in ladder[ladder.index(tier) :]:
            self._barred_until_s[slower] = now_s + wait
