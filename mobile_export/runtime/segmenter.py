"""The face of the runtime: images in, masks out, tiers switched by name."""

import math
import os
import statistics
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Literal

import numpy as np

from mobile_export.runtime.budget import best_within
from mobile_export.runtime.bundle import Bundle
from mobile_export.runtime.complexity import SizeByComplexity
from mobile_export.runtime.errors import TiersegError
from mobile_export.runtime.image_io import checked, resized, resized_mask
from mobile_export.runtime.interpreter import Interpreter
from mobile_export.runtime.labels import Label
from mobile_export.runtime.latencies import Latencies
from mobile_export.runtime.result import Result
from mobile_export.runtime.signature import Signature
from mobile_export.runtime.stages import Chain, by_depth, read_chains
from mobile_export.runtime.tier_info import TierInfo, read_tiers

_WARM_UPS = ("background", "load", "none")


class Segmenter:
    """Segments images with any tier of a bundle; one object serves all threads.

    Args:
        bundle: a `Bundle`, or the path of its file.
        threads: CPU threads of one inference. Defaults to the cores at hand, at most 4.
        warm_up: when each tier pays its one-off preparation: `"background"` (in a thread, lightest
            first and stages last, so that the first call need not wait for the rest), `"load"`
            (before this constructor returns) or `"none"` (in the tier's own first call).

    Attributes:
        bundle: the `Bundle` that it runs.
        threads: CPU threads of one inference.
        tiers: names of the tiers, lightest first.
        configurations: names of the configurations, lightest first. One with another input size
            than the native one counts as a configuration of its own (`light_176x240`).
        default_tier: the tier that a call without `tier` runs.
        labels: the classes of the masks; empty if the bundle has no metadata.
        image_size: native (height, width) of the default tier's masks, pixels.

    Raises:
        TiersegError: the bundle is missing, corrupt, not a segmentation bundle, its stages do not
            fit each other, or an argument is wrong.

    Example:
        segmenter = Segmenter("assets/models/street_scenes.tflite")
        result = segmenter(load_image("street.jpg"), tier="light")
        result.mask, result.confidence, result.latency_ms
    """

    def __init__(
        self,
        bundle: Bundle | str | os.PathLike[str],
        *,
        threads: int | None = None,
        warm_up: Literal["background", "load", "none"] = "background",
    ) -> None:
        if threads is not None and threads < 1:
            raise TiersegError(f"`threads` must be an integer from 1, got {threads!r}")
        if warm_up not in _WARM_UPS:
            raise TiersegError(f"`warm_up` must be one of {', '.join(_WARM_UPS)}; got {warm_up!r}")
        self.bundle = bundle if isinstance(bundle, Bundle) else Bundle.open(bundle)
        self.threads = threads or min(4, _cores())
        name = self.bundle.name
        self._interpreter = Interpreter(self.bundle.model_bytes, threads=self.threads, name=name)
        infos = read_tiers(self.bundle, self._interpreter.signatures)
        self._infos = {info.name: info for info in infos}
        self._chains = read_chains(name, self._interpreter, infos)
        self._complexity = SizeByComplexity.read(self.bundle)
        self.tiers: tuple[str, ...] = tuple(self._infos)
        configurations = dict.fromkeys(info.configuration for info in infos)
        self.configurations: tuple[str, ...] = tuple(configurations)
        self.default_tier = str((self.bundle.metadata or {}).get("default_tier", self.tiers[0]))
        self.labels: tuple[Label, ...] = self.bundle.labels
        self.image_size = self.info(self.default_tier).mask_size
        self._latencies = Latencies()
        self._measured: dict[str, float] = {}
        if warm_up == "load":
            for signature in self._signatures():
                self._interpreter.prepare(signature)
        elif warm_up == "background":
            threading.Thread(target=self._warm_up, name="tierseg-warm-up").start()

    def __call__(
        self, image: np.ndarray, tier: str | None = None, *, native: bool = False
    ) -> Result:
        """Segments one image.

        Args:
            image: uint8 array `(height, width, 3)`, RGB, 0-255, of any size.
            tier: name of the tier; `default_tier` if None.
            native: give the mask at the network's own size instead of the image's.

        Returns:
            The mask with its confidence and times.

        Raises:
            TiersegError: no such tier, or the image is of another shape or type.
        """
        start = time.perf_counter()
        info = self.info(self.default_tier if tier is None else tier)
        pixels = resized(checked(image), info.input_size)
        outputs, latency_ms = self._interpreter.run(info.signature, {"image": pixels[None]})
        self._latencies.add(info.name, latency_ms)
        mask = outputs["mask"][0] if native else resized_mask(outputs["mask"][0], image.shape[:2])
        confidence = float(outputs["confidence"][0]) / 255
        total_ms = 1000 * (time.perf_counter() - start)
        return Result(mask, confidence, info.name, latency_ms, total_ms)

    def by_complexity(
        self, image: np.ndarray, tier: str | None = None, *, native: bool = False
    ) -> Result:
        """Segments one image at the input size that its own detail asks for.

        This is the adaptive-size inference of DANCE (arXiv 2107.07706): what has little detail is
        shrunk more.

        Args:
            image: as for a call.
            tier: name of a tier, whose configuration and exit run; `default_tier` if None.
            native: give the mask at the network's own size instead of the image's.

        Returns:
            As of a call; `tier` is that of the size that ran.

        Raises:
            TiersegError: the bundle says nothing of complexity, no such tier, or the image is of
                another shape or type.
        """
        start = time.perf_counter()
        result = self(image, self.tier_by_complexity(image, tier), native=native)
        return replace(result, total_ms=1000 * (time.perf_counter() - start))

    def tier_by_complexity(self, image: np.ndarray, tier: str | None = None) -> str:
        """Name of the tier that `by_complexity` runs.

        The size is the one that the thresholds of the bundle's `complexity` give for the image's
        mean Sobel gradient, or the next larger that the tier has.

        Args:
            image: as for a call.
            tier: as of `by_complexity`.

        Raises:
            TiersegError: as of `by_complexity`.
        """
        tiers = self.sizes(self.default_tier if tier is None else tier)
        if self._complexity is None:
            raise TiersegError(
                f"{self.bundle.name} must have `complexity` in its metadata, the detail from which "
                "an image asks for a larger input, as bundles of several input sizes have; got none"
            )
        return self._complexity.tier(checked(image), tiers)

    @property
    def signatures(self) -> Mapping[str, Signature]:
        """Every signature of the bundle by name, those of stages too."""
        return self._interpreter.signatures

    def sizes(self, tier: str) -> dict[tuple[int, int], str]:
        """Name of the tier of each input size (height, width), smallest first.

        Args:
            tier: name of one of them; the others have the same configuration and exit.

        Raises:
            TiersegError: no such tier.
        """
        info = self.info(tier)
        group = {
            other.input_size: other.name
            for other in self._infos.values()
            if (other.sizeless, other.exit) == (info.sizeless, info.exit)
        }
        return dict(sorted(group.items(), key=lambda item: math.prod(item[0])))

    def adaptive(
        self,
        image: np.ndarray,
        configuration: str | None = None,
        *,
        threshold: float | None = None,
        native: bool = False,
    ) -> Result:
        """Segments one image as far as it needs: leaves at the first exit that is sure enough.

        This is the input-dependent setting of MESS (arXiv 2106.03527). An exit is sure enough if
        its confidence is at least its threshold; the final exit always is.

        Args:
            image: as for a call.
            configuration: name of the configuration; that of `default_tier` if None.
            threshold: confidence 0-1 at which to leave, for all exits; each exit's own, as the
                bundle has it, if None.
            native: give the mask at the network's own size instead of the image's.

        Returns:
            The mask of the exit at which it left, with every exit that it came to in `steps`.

        Raises:
            TiersegError: the configuration has no stages, `threshold` is not 0-1 (or None where the
                bundle has none), or the image is of another shape or type.
        """
        chain = self._chain(configuration)
        thresholds = chain.thresholds(threshold)
        start = time.perf_counter()
        return self._chained(
            chain, image, native, start, lambda place, confidence: confidence < thresholds[place]
        )

    def anytime(
        self,
        image: np.ndarray,
        deadline_ms: float,
        configuration: str | None = None,
        *,
        native: bool = False,
    ) -> Result:
        """Segments one image as well as a deadline allows: exit after exit while there is time.

        This is the anytime setting of MESS (arXiv 2106.03527). An exit is run if the time since
        the call and the exit's usual time on this device fit the deadline; the first always is.
        The first call of a configuration runs it once more, before its time counts, to prepare
        it and to know its usual times.

        Args:
            image: as for a call.
            deadline_ms: time from the call to the last exit's end, milliseconds; infinity runs
                every exit. The mask's resize to the image comes on top.
            configuration: name of the configuration; that of `default_tier` if None.
            native: give the mask at the network's own size instead of the image's.

        Returns:
            The mask of the last exit that ran, with every exit that it came to in `steps`.

        Raises:
            TiersegError: the configuration has no stages, `deadline_ms` is not above 0, or the
                image is of another shape or type.
        """
        if not deadline_ms > 0:
            raise TiersegError(f"`deadline_ms` must be above 0, got {deadline_ms}")
        chain = self._chain(configuration)
        usual_ms = chain.usual_ms()
        start = time.perf_counter()

        def fits(place: int, confidence: float) -> bool:
            return 1000 * (time.perf_counter() - start) + usual_ms[place + 1] <= deadline_ms

        return self._chained(chain, image, native, start, fits)

    def exits(self, configuration: str) -> tuple[str, ...]:
        """Names of a configuration's tiers, shallowest exit first and the final one last.

        Raises:
            TiersegError: no such configuration.
        """
        if configuration not in self.configurations:
            raise TiersegError(
                f"`configuration` must be one of {', '.join(self.configurations)} in "
                f"{self.bundle.name}; got {configuration!r}"
            )
        infos = by_depth(self._infos.values())
        return tuple(info.name for info in infos if info.configuration == configuration)

    def info(self, tier: str) -> TierInfo:
        """What the bundle says of a tier.

        Raises:
            TiersegError: no such tier.
        """
        if tier not in self._infos:
            names = ", ".join(self.tiers)
            raise TiersegError(f"`tier` must be one of {names} in {self.bundle.name}; got {tier!r}")
        return self._infos[tier]

    def latencies(self) -> dict[str, float]:
        """Running median inference time of each tier that ran, milliseconds."""
        return self._latencies.medians()

    def measure(self, runs: int = 5) -> Mapping[str, float]:
        """Times every tier on this device, in turns so that a slow moment hits all alike.

        Args:
            runs: inferences of each tier, after its preparation.

        Returns:
            Median inference time of each tier, milliseconds.
        """
        if runs < 1:
            raise TiersegError(f"`runs` must be an integer from 1, got {runs!r}")
        times: dict[str, list[float]] = {tier: [] for tier in self.tiers}
        for _ in range(runs):
            for tier, info in self._infos.items():
                image = np.zeros((1, *info.input_size, 3), np.uint8)
                times[tier].append(self._interpreter.run(info.signature, {"image": image})[1])
        self._measured = {tier: statistics.median(values) for tier, values in times.items()}
        return self._measured

    def fastest_within(self, budget_ms: float) -> str:
        """The best tier whose inference fits a time budget on this device.

        The first call measures the device; later ones use what it found. The best tier is the one
        of highest measured mIoU (else Dice) where the bundle gives it for every tier, else the
        costliest one. Early exits count as tiers, stages do not.

        Args:
            budget_ms: longest inference time, milliseconds.

        Returns:
            Name of the tier.

        Raises:
            TiersegError: no tier fits; the message names the nearest.
        """
        return best_within(budget_ms, self._infos, self.measured())

    def measured(self) -> Mapping[str, float]:
        """What `measure` found last; measures now if it never did."""
        return self._measured or self.measure()

    def _chain(self, configuration: str | None) -> Chain:
        chosen = configuration
        if chosen is None:
            chosen = self.info(self.default_tier).configuration
        if chosen not in self._chains:
            known = ", ".join(self._chains) or "none in this bundle, whose tiers run by a call"
            raise TiersegError(
                f"`configuration` must be one with stages ({known}) to run exit after exit in "
                f"{self.bundle.name}; got {chosen!r}"
            )
        return self._chains[chosen]

    def _chained(
        self,
        chain: Chain,
        image: np.ndarray,
        native: bool,
        start: float,
        goes_on: Callable[[int, float], bool],
    ) -> Result:
        mask, steps = chain.run(resized(checked(image), chain.input_size), goes_on)
        return Result(
            mask if native else resized_mask(mask, image.shape[:2]),
            steps[-1].confidence,
            steps[-1].tier,
            sum(step.latency_ms for step in steps),
            1000 * (time.perf_counter() - start),
            steps,
        )

    def _signatures(self) -> list[str]:
        """Every signature in use: the tiers' in the order of the list, then the stages'."""
        stages = [stage for chain in self._chains.values() for stage in chain.stages]
        return [*(info.signature for info in self._infos.values()), *stages]

    def _warm_up(self) -> None:
        """Prepares each signature; callers go first in between."""
        for signature in self._signatures():
            if not threading.main_thread().is_alive():
                return  # the program ends: do not hold it up
            try:
                self._interpreter.prepare(signature)
            except TiersegError:
                continue  # the call that needs this tier raises it again, where it is seen


def _cores() -> int:
    """Number of CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
