"""Functional models of a network's tiers and stages, wired block by block."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import keras

from kit.errors import InputError
from kit.layers.class_mask import ClassMask
from kit.layers.confidence import Confidence
from kit.layers.exit_head import ExitHead
from kit.layers.high_res_tail import HighResTail
from kit.layers.tail_config import TailConfig
from kit.networks.exit import Exit
from kit.networks.tier_training import TierTraining
from kit.quantization.scope import current_arithmetic
from kit.search.exit_policy import ExitPolicy
from kit.search.profiling import Profile, profile
from kit.slimming.scope import current_channels
from kit.tiers import Tier

State = dict[str, keras.KerasTensor]
"""What has been computed up to a block and is needed behind it; `"x"` is the deepest tensor."""

_REPEATS = (4, 2, 1)
"""How often a mask may repeat an id in both directions; every native size is a multiple of each."""


class TierGraphs(TierTraining):
    """Base of networks whose tiers are cut out of one chain of blocks.

    A family says how its blocks are wired (`_begin`, `_block`, `_classify`); this class makes
    functional models of whole tiers and of stages. All share the network's own layers; each is made
    once.

    Args:
        num_classes: Classes of the masks.
        image_size: `(height, width)` in pixels.
        name: Of the network.
        tail: What enlarges the logits of every exit beyond the image, if anything does.
    """

    def __init__(
        self,
        num_classes: int,
        image_size: tuple[int, int],
        name: str | None,
        tail: TailConfig | None = None,
    ) -> None:
        super().__init__(name=name)
        self.num_classes = num_classes
        self.image_size = (image_size[0], image_size[1])
        self.tail = tail
        self.exit_heads: list[ExitHead] = []
        self.tails: list[HighResTail] = []
        self.arithmetic = current_arithmetic()
        # In a namespace, which Keras does not track: these share their layers with the network.
        self._made = SimpleNamespace(
            plain={}, models={}, interpolations={}, input_size=self.image_size
        )
        self._kept = SimpleNamespace(channels=current_channels())

    @property
    @abstractmethod
    def configurations(self) -> dict[str, str]:
        """Name to vector (one letter a block), lightest first."""

    @property
    @abstractmethod
    def exits(self) -> tuple[Exit, ...]:
        """Early exits, shallowest first."""

    @abstractmethod
    def exits_of(self, configuration: str | Tier) -> tuple[Tier, ...]:
        """The tiers of one configuration, shallowest first, the final exit last."""

    @property
    def channels(self) -> dict[str, int]:
        """Output channels of the layers that slimming has made smaller, by name.

        And of the heads of early exits how many they were made to take in, which tells their form.
        """
        return dict(self._kept.channels)

    @property
    def output_size(self) -> tuple[int, int]:
        """`(height, width)` of logits and masks in pixels: the images', unless there is a tail."""
        scale = 1 if self.tail is None else self.tail.scale
        return (scale * self.image_size[0], scale * self.image_size[1])

    @property
    def has_levels(self) -> bool:
        """Whether there is a `levels_model`: where there is a tail."""
        return self.tail is not None

    # === Functional models ===

    def tier(self, name: str | Tier) -> keras.Model:
        """The functional model of one tier; its layers are the network's own.

        Args:
            name: Of the tier, or a `Tier`.

        Returns:
            Model from images `(batch, height, width, 3)`, 0–255, of the tier's input size to logits
            float32 `(batch, height, width, num_classes)` at `output_size`, whatever the input size.
        """
        return self.joint_model((self.resolve(name),))

    def joint_model(self, tiers: Sequence[Tier]) -> keras.Model:
        """The functional model of several tiers that runs what they share once.

        Args:
            tiers: One or more, of any configurations and one input size.

        Returns:
            As `tier`, with a list of logits in the order of `tiers` if there are several.

        Raises:
            InputError: if they differ in their input size.
        """
        return self._joint(tuple(tiers), self._model)

    def _joint(self, tiers: tuple[Tier, ...], model: Callable[..., keras.Model]) -> keras.Model:
        def make() -> tuple[Any, Any]:
            image, outputs = self._wired(tiers)
            logits = [self._full_size(outputs[tier][-1]) for tier in tiers]
            return image, logits if len(logits) > 1 else logits[0]

        return model("_".join(map(str, tiers)), make, *tiers)

    def float_model(self, tiers: Sequence[Tier]) -> keras.Model:
        """As `joint_model`, in float32 whatever numbers the network computes in.

        It has the network's own layers, and shows what the exported tiers are made of.
        """
        return self._joint(tuple(tiers), self._plain)

    def levels_model(self, tiers: Sequence[Tier]) -> keras.Model:
        """As `joint_model`, with every level of a tail, for `MultiLevelLoss`.

        Args:
            tiers: One or more, of any configurations and one input size, of a network with a tail.

        Returns:
            Model from images to a list for each tier, by its name: logits float32
            `(batch, height, width, num_classes)`, at `image_size` first and at `output_size` last.

        Raises:
            InputError: if there is no tail, or the tiers differ in their input size.
        """
        if self.tail is None:
            raise InputError("levels need a `tail` (`with_tail`); received: a network without one")
        tiers = tuple(tiers)

        def make() -> tuple[Any, Any]:
            image, outputs = self._wired(tiers)
            return image, {tier.name: outputs[tier] for tier in tiers}

        return self._model("levels_" + "_".join(map(str, tiers)), make, *tiers)

    def _wired(
        self, tiers: tuple[Tier, ...]
    ) -> tuple[keras.KerasTensor, dict[Tier, list[keras.KerasTensor]]]:
        """An image, and what each tier makes of it, level by level."""
        image = self._image()
        outputs: dict[Tier, list[keras.KerasTensor]] = {}
        for configuration in dict.fromkeys(tier.configuration for tier in tiers):
            state, depth = self._begin(image, self.configurations[configuration]), 0
            # In their order, in which a saved file lists the heads that are made here.
            group = [tier for tier in tiers if tier.configuration == configuration]
            for tier in sorted(group, key=self._depth):
                state, depth = self._run(tier, state, depth), self._depth(tier)
                outputs[tier] = self._levels(tier, state)
        return image, outputs

    def logits_model(self, name: str | Tier) -> keras.Model:
        """As `tier`, with `{"logits": …}` at the resolution at which the tier computes them."""
        tier = self.resolve(name)
        return self._model(f"{tier}_logits", self._one_shot(tier, _as_logits), tier)

    def predictor(self, name: str | Tier, policy: ExitPolicy | None = None) -> keras.Model:
        """What a device runs for one tier: exactly this is exported.

        Part of the resolution that lies between a tier's logits and its mask is interpolated, the
        rest repeated, for the interpolation at full size is the dearest part of a light tier.

        Args:
            name: Of the tier, or a `Tier`.
            policy: How sure pixels are told; the exit's own by default.

        Returns:
            Model from images `(batch, height, width, 3)`, 0–255, to
            `{"mask": uint8 (batch, height, width), "confidence": float32 (batch,)}`, the mask of
            `output_size`.
        """
        tier = self.resolve(name)
        policy = policy or self.policy(tier)
        make = self._one_shot(tier, lambda logits: self._decide(logits, policy))
        return self._model(f"{tier}_predictor_{policy}", make, tier)

    def stage(self, configuration: str | Tier, stage: int) -> keras.Model:
        """One of the chained stages of a configuration.

        Args:
            configuration: Its name, with the input size if that is not the native one.
            stage: 1 for the one that begins with the image; the last, one more than there are early
                exits, ends at the final exit.

        Returns:
            Model from the image, or from `state_*` as the stage before gave them, to a dictionary
            of `mask` and `confidence` (as of `predictor`) and, but for the last, `state_*`.

        Raises:
            InputError: if there is no such stage, or two exits stand at one point.
        """
        tiers = self.exits_of(self.resolve(configuration))
        depths = [self._depth(tier) for tier in tiers]
        if len(set(depths)) < len(depths):
            raise InputError(
                "stages need one exit a point; choose among the candidates (`with_exits`), which "
                f"stand behind blocks {', '.join(map(str, depths[:-1]))}"
            )
        if not 1 <= stage <= len(tiers):
            raise InputError(f"`stage` must be 1 to {len(tiers)}; received: {stage}")
        tier = tiers[stage - 1]

        def make() -> tuple[Any, Any]:
            depth = 0 if stage == 1 else depths[stage - 2]
            inputs, state = self._entry(tier, depth)
            state = self._run(tier, state, depth)
            outputs = self._decide(self._logits(tier, state), self.policy(tier))
            if tier.exit is not None:
                outputs |= {f"state_{key}": value for key, value in state.items()}
            return inputs, outputs

        return self._model(tier.stage_name(stage), make, tier)

    def policy(self, name: str | Tier) -> ExitPolicy:
        """How a tier tells sure pixels."""
        exit_ = Tier.parse(name).exit
        return ExitPolicy() if exit_ is None else self.exits[exit_ - 1].policy

    def branches(self, name: str | Tier) -> str:
        """The branches of the blocks that a tier runs, one letter a block."""
        tier = self.resolve(name)
        return self.configurations[tier.configuration][: self._depth(tier)]

    def profile(self, name: str | Tier) -> Profile:
        """Exact parameters and multiply-adds of a tier."""
        tier = self.resolve(name)
        return profile(self._plain(f"{tier}_logits", self._one_shot(tier, _as_logits), tier))

    def macs(self, tiers: Sequence[Tier]) -> int:
        """Exact multiply-adds of several tiers that run what they share once, for one image."""
        return profile(self.float_model(tiers)).macs

    def _one_shot(self, tier: Tier, head: Callable[[Any], Any]) -> Callable[[], tuple[Any, Any]]:
        def make() -> tuple[Any, Any]:
            image = self._image()
            state = self._begin(image, self.configurations[tier.configuration])
            return image, head(self._logits(tier, self._run(tier, state, 0)))

        return make

    def _model(self, key: str, make: Callable[[], tuple[Any, Any]], *tiers: Tier) -> keras.Model:
        """A functional model of tiers of one input size, made once for each key."""
        models = self._made.models
        if key not in models:
            models[key] = self.arithmetic.applied(self._plain(key, make, *tiers))
        return models[key]

    def _plain(self, key: str, make: Callable[[], tuple[Any, Any]], *tiers: Tier) -> keras.Model:
        """A functional model in float32, as the blocks wire it."""
        models = self._made.plain
        if key not in models:
            name = re.sub(r"\W+", "_", f"{self.name}_{key}")
            with self._at_size_of(tiers):
                models[key] = keras.Model(*make(), name=name[:200])
        return models[key]

    # === Wiring ===

    def _narrow(self, layers: Iterable[keras.layers.Layer]) -> None:
        """Give convolutions that are not built yet the channels that slimming has left them."""
        for layer in layers:
            if layer.name in self._kept.channels and hasattr(layer, "filters"):
                layer.filters = self._kept.channels[layer.name]

    @contextmanager
    def _at_size_of(self, tiers: Sequence[Tier]) -> Iterator[None]:
        """Within the context, images have the input size of these tiers."""
        sizes = {tier.input_size or self.image_size for tier in tiers}
        if len(sizes) != 1:
            raise InputError(
                "`tiers` must be of one input size to share a model; "
                f"received: {', '.join(map(str, tiers))}"
            )
        before = self._made.input_size
        (self._made.input_size,) = sizes
        try:
            yield
        finally:
            self._made.input_size = before

    def _image(self) -> keras.KerasTensor:
        return keras.Input((*self._made.input_size, 3), name="image")

    def _entry(self, tier: Tier, depth: int) -> tuple[Any, State]:
        """Inputs of a model that begins behind `depth` blocks, and the state that they are."""
        image = self._image()
        vector = self.configurations[tier.configuration]
        state = self._begin(image, vector)
        if depth == 0:
            return image, state
        for index in range(depth):
            state = self._block(index, state, vector)
        state = {key: self._handed_in(f"state_{key}", value) for key, value in state.items()}
        return {f"state_{key}": value for key, value in state.items()}, state

    def _handed_in(self, name: str, source: keras.KerasTensor) -> keras.KerasTensor:
        """An input in place of a tensor of another model in float32."""
        entry = keras.Input(source.shape[1:], dtype=source.dtype, name=name)
        self.arithmetic.follow(entry, source)
        return entry

    def _depth(self, tier: Tier) -> int:
        """Number of blocks that run before a tier's head."""
        if tier.exit is None:
            return len(self.configurations[tier.configuration])
        return self.exits[tier.exit - 1].after

    def _run(self, tier: Tier, state: State, depth: int) -> State:
        """The state at a tier's head, from that behind `depth` blocks."""
        vector = self.configurations[tier.configuration]
        for index in range(depth, self._depth(tier)):
            state = self._block(index, state, vector)
        return state

    def _logits(self, tier: Tier, state: State) -> keras.KerasTensor:
        return self._levels(tier, state)[-1]

    def _levels(self, tier: Tier, state: State) -> list[keras.KerasTensor]:
        """Logits of a tier; with a tail those of every level, the images' first."""
        logits = self._base_logits(tier, state)
        if self.tail is None:
            return [logits]
        return self._tail(tier, self.tail).connect(self._interpolate(logits, self.image_size))

    def _tail(self, tier: Tier, config: TailConfig) -> HighResTail:
        """The tail of an exit, one for all configurations, made when it is wired first."""
        name = "tail" if tier.exit is None else f"{self.exits[tier.exit - 1].name}_tail"
        made = {tail.name: tail for tail in self.tails}
        if f"{name}_high_res" not in made:
            self.tails.append(HighResTail(config, self.num_classes, name=name))
            return self.tails[-1]
        return made[f"{name}_high_res"]

    def _base_logits(self, tier: Tier, state: State) -> keras.KerasTensor:
        if tier.exit is None:
            return self._classify(state, self.configurations[tier.configuration])
        head = self._exit_head(tier.exit, state["x"])
        vector = self.configurations[tier.configuration]
        return head.connect(state["x"], vector[: self._depth(tier)])

    def _exit_head(self, number: int, x: keras.KerasTensor) -> ExitHead:
        """The head of exit `number`, made when it is wired for the first time."""
        exit_ = self.exits[number - 1]
        made = {head.name: head for head in self.exit_heads}
        if f"{exit_.name}_exit" not in made:
            in_channels = self.channels.get(f"{exit_.name}_exit", x.shape[-1])
            head = ExitHead(
                exit_.head, in_channels, self.num_classes, self._stride_of(x), name=exit_.name
            )
            self._narrow(head._flatten_layers())
            self.exit_heads.append(head)
            return head
        return made[f"{exit_.name}_exit"]

    def _full_size(self, logits: keras.KerasTensor) -> keras.KerasTensor:
        return self._interpolate(logits, self.output_size)

    def _interpolate(self, logits: keras.KerasTensor, size: tuple[int, int]) -> keras.KerasTensor:
        """Logits at a size, in pixels."""
        height, width = logits.shape[1:3]
        if (height, width) == size:
            return logits
        scale = size[0] // height
        is_whole = size == (scale * height, scale * width)
        key = scale if is_whole else size
        layers = self._made.interpolations
        if key not in layers:
            options = {"interpolation": "bilinear", "dtype": "float32"}
            # Of training, which runs on images of any size, the factors are whole.
            layers[key] = (
                keras.layers.UpSampling2D(scale, name=f"logits_x{scale}", **options)
                if is_whole
                else keras.layers.Resizing(*size, name="logits_to_{}x{}".format(*size), **options)
            )
        return layers[key](logits)

    def _decide(self, logits: keras.KerasTensor, policy: ExitPolicy) -> dict[str, Any]:
        """Mask and confidence of logits."""
        return {"mask": self._mask(logits), "confidence": self._confidence(logits, policy)}

    def _mask(self, logits: keras.KerasTensor) -> keras.KerasTensor:
        height, width = self.output_size
        stride = self._mask_stride(logits)
        repeat = next((scale for scale in _REPEATS if 2 * scale <= stride), 1)
        finer = self._interpolate(logits, (height // repeat, width // repeat))
        return ClassMask(repeat)(finer)

    def _confidence(self, logits: keras.KerasTensor, policy: ExitPolicy) -> keras.KerasTensor:
        return Confidence(
            policy.pixel_threshold,
            step=max(8 // self._mask_stride(logits), 1),
            measure=policy.measure,
            edge_aware=policy.edge_aware,
        )(logits)

    def _stride_of(self, x: keras.KerasTensor) -> int:
        return self._made.input_size[0] // x.shape[1]

    def _mask_stride(self, logits: keras.KerasTensor) -> int:
        return self.output_size[0] // logits.shape[1]

    @abstractmethod
    def _begin(self, image: keras.KerasTensor, vector: str) -> State:
        """Wire what comes before the first block."""

    @abstractmethod
    def _block(self, index: int, state: State, vector: str) -> State:
        """Wire block `index` (0 is the first) on the branch that `vector` chooses.

        The new state holds what blocks behind it or the final exit need, and nothing else.
        """

    @abstractmethod
    def _classify(self, state: State, vector: str) -> keras.KerasTensor:
        """Wire the final exit: float32 logits at the stride at which it computes them."""


def _as_logits(logits: keras.KerasTensor) -> dict[str, keras.KerasTensor]:
    return {"logits": logits}
