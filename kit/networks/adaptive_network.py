"""One network, several tiers: what every family shares."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, Self

import keras

from kit.errors import InputError
from kit.layers.path_batch_normalization import PathBatchNormalization
from kit.layers.tail_config import TailConfig
from kit.networks.exit import Exit
from kit.networks.input_sizes import parse_sizes
from kit.networks.part_graphs import PartGraphs
from kit.quantization.policies import make_arithmetic
from kit.quantization.scope import arithmetic_scope
from kit.slimming.scope import channels_scope
from kit.tiers import Tier
from kit.training.single_tier import SingleTier


class AdaptiveNetwork(PartGraphs):
    """Base of segmentation networks that hold several tiers.

    A family says how its blocks are wired (`_begin`, `_block`, `_classify`), and gets every tier of
    it as a functional model, trained by stock `compile` and `fit`. Early exits (MESS, arXiv
    2106.03527) stand between blocks and share the branches of their configuration.

    Args:
        num_classes: Classes of the masks, 2–255.
        image_size: `(height, width)` in pixels.
        configurations: Name to vector of the configurations, lightest first.
        exits: Early exits, shallowest first: `Exit`, or what its `to_dict` gave. Several may stand
            at one point; stages ask for one a point.
        image_thresholds: Tier's name to the confidence, 0–1, from which an image leaves there.
        training_record: What is known of the weights' origin: recipe, seed, data set, labels.
        name: Of the network.
        tail: High-resolution tail (J-Net, arXiv 2403.05340) behind the logits of every exit, or
            what its `to_dict` gave; see `with_tail`.
        input_sizes: `(height, width)` of further sizes of images, smaller than `image_size`; see
            `with_input_sizes`.

    Input shape: `(batch, height, width, 3)`, RGB, 0–255; output: logits float32
    `(batch, height, width, num_classes)`, of `output_size` where there is a tail.
    """

    size_multiple: int = 1
    """Pixels of which heights and widths of images are multiples; a family says its own."""

    def __init__(
        self,
        num_classes: int,
        image_size: tuple[int, int],
        configurations: Mapping[str, str],
        exits: Iterable[Exit | Mapping[str, Any]] = (),
        image_thresholds: Mapping[str, float] | None = None,
        training_record: Mapping[str, Any] | None = None,
        name: str | None = None,
        tail: TailConfig | Mapping[str, Any] | None = None,
        input_sizes: Iterable[Sequence[int]] = (),
    ) -> None:
        if not 2 <= num_classes <= 255:
            raise InputError(f"`num_classes` must be 2 to 255; received: {num_classes}")
        if min(image_size) < 1 or any(side % self.size_multiple for side in image_size):
            raise InputError(
                f"`image_size` must be (height, width), both multiples of {self.size_multiple}; "
                f"received: {tuple(image_size)}"
            )
        super().__init__(
            num_classes, image_size, name, None if tail is None else TailConfig.parse(tail)
        )
        self.training_record = dict(training_record or {})
        # In a namespace, for Keras would wrap what it finds in attributes.
        self._graphs = SimpleNamespace(
            configurations=dict(configurations),
            exits=tuple(Exit.parse(exit_) for exit_ in exits),
            thresholds=dict(image_thresholds or {}),
            input_sizes=tuple(input_sizes),
        )
        self.schedule = SingleTier(self.default_tier)

    # === Tiers ===

    @property
    def configurations(self) -> dict[str, str]:
        """Name to vector (one letter a block), lightest first."""
        return dict(self._graphs.configurations)

    @property
    def exits(self) -> tuple[Exit, ...]:
        """Early exits, shallowest first; exit k of a tier's name is the k-th of them."""
        return self._graphs.exits

    @property
    def image_thresholds(self) -> dict[str, float]:
        """Tier's name to the confidence, 0–1, from which an image leaves there."""
        return dict(self._graphs.thresholds)

    @property
    def input_sizes(self) -> tuple[tuple[int, int], ...]:
        """`(height, width)` of the sizes of images beside `image_size`, smallest first."""
        return self._graphs.input_sizes

    @property
    def final_tiers(self) -> tuple[Tier, ...]:
        """The final exit of every configuration, lightest first, in every size, native last."""
        return tuple(
            Tier(name, input_size=size)
            for name in self._graphs.configurations
            for size in (*self.input_sizes, None)
        )

    @property
    def tiers(self) -> tuple[Tier, ...]:
        """Every tier, lightest first: by configuration, in each by size, in each by exit."""
        return tuple(tier for final in self.final_tiers for tier in self.exits_of(final))

    @property
    def default_tier(self) -> Tier:
        """The tier that `call`, `predict` and `evaluate` run: the heaviest, to its end."""
        return Tier(next(reversed(self._graphs.configurations)))

    def exits_of(self, configuration: str | Tier) -> tuple[Tier, ...]:
        """The tiers of one configuration and input size, shallowest first, the final exit last."""
        final = Tier.parse(configuration).final
        return (*(replace(final, exit=k) for k in range(1, len(self.exits) + 1)), final)

    def resolve(self, name: str | Tier) -> Tier:
        """The tier of this network that `name` names.

        A vector that is no configuration yet becomes one (`add_configuration`).

        Raises:
            InputError: listing the valid names.
        """
        tier = Tier.parse(name)
        if tier.input_size == self.image_size:
            tier = tier.native
        if tier.input_size not in (None, *self.input_sizes):
            raise InputError(
                f"`tier` must be one of {', '.join(map(str, self.tiers))}, or a vector of "
                f"branches; received: {tier.name!r}"
            )
        if tier.exit is not None and tier.exit > len(self.exits):
            have = f"exits 1 to {len(self.exits)}" if self.exits else "no early exits"
            raise InputError(f"`tier`: the network has {have}; received: {tier.name!r}")
        if tier.configuration not in self._graphs.configurations:
            self.add_configuration(tier.configuration, tier.configuration)
        return tier

    def add_configuration(self, name: str, vector: str | Sequence[str]) -> Tier:
        """Add a configuration after training.

        Its BatchNorm statistics start as those of the first path through each layer: call
        `recalibrate` before it is judged.

        Args:
            name: Lower-case letters and digits.
            vector: One branch for every PTA block.
        """
        tier = Tier(name)
        vector = self._parse_vector(vector)
        if name in self._graphs.configurations:
            raise InputError(
                f"`name` must not be one of {', '.join(self._graphs.configurations)}; "
                f"received: {name!r}"
            )
        # In front, so that the default stays the last and that a loaded network, which wires the
        # last first, meets the paths in the order in which they were made.
        self._graphs.configurations = {name: vector, **self._graphs.configurations}
        known = {id(layer) for layer in self._flatten_layers()}
        self._wire_configuration(name)
        for layer in self._flatten_layers():
            if isinstance(layer, PathBatchNormalization) and id(layer) not in known:
                layer.copy_statistics()
        self.train_function = None
        return tier

    def with_exits(
        self,
        exits: Iterable[Exit | Mapping[str, Any]],
        image_thresholds: Mapping[str, float] | None = None,
    ) -> Self:
        """The same network with other early exits.

        Heads that it has already, same point and same make, keep their weights; others start from
        nothing. No weight of the trunk or of the final exit changes.

        Args:
            exits: Shallowest first.
            image_thresholds: As of the constructor.
        """
        config = {
            **self.get_config(),
            "exits": [Exit.parse(exit_).to_dict() for exit_ in exits],
            "image_thresholds": dict(image_thresholds or {}),
        }
        network = self.from_config(config)
        network._take_weights(self)
        return network

    def with_tail(
        self, output_size: tuple[int, int], *, kind: str = "learned", depthwise: bool = False
    ) -> Self:
        """The same network with logits and masks larger than its images, each tier and exit.

        Each exit has a `Tail` of its own, shared by all configurations, behind its logits at the
        images' size. It begins as bilinear interpolation; no other weight changes. Train it on
        labels of `output_size`, with `MultiLevelLoss` as J-Net (arXiv 2403.05340) is. Its
        parameters, which `tails` tell, grow with the square of the classes unless it is depthwise;
        with two classes they are those for one.

        Args:
            output_size: `(height, width)` in pixels, 2, 4, 8 or 16 times the images'.
            kind: As of `TailConfig`: `"learned"`, `"pixel_shuffle"` or `"bilinear"`.
            depthwise: Whether each class is enlarged by itself.

        Raises:
            InputError: if the sizes do not fit, or there is no such kind.
        """
        return self.with_tail_of(
            TailConfig.between(self.image_size, output_size, kind=kind, depthwise=depthwise)
        )

    def with_tail_of(self, tail: TailConfig) -> Self:
        """As `with_tail`, by the make of the tail."""
        network = self.from_config({**self.get_config(), "tail": tail.to_dict()})
        network._take_weights(self)
        return network

    def with_input_sizes(self, input_sizes: Iterable[Sequence[int]]) -> Self:
        """The same network for images of other sizes besides, each with every tier.

        A tier of such a size (`light_176x240`) has the weights and the BatchNorm statistics of its
        configuration, and logits and masks of `output_size`, enlarged from what it computes. A
        smaller image is the plainest way to a faster tier; DANCE (arXiv 2107.07706) chooses it for
        each image. Statistics of a size's own were measured to be worse than shared ones at half
        and three quarters of the native size, and 0.4 points of mIoU better at a third.

        Args:
            input_sizes: Each `(height, width)` in pixels, smaller than `image_size`; none for the
                native size alone. Thresholds of tiers that are then gone are dropped.

        Raises:
            InputError: if a size does not fit.
        """
        sizes = parse_sizes(input_sizes, self.image_size, self.size_multiple)
        thresholds = {
            name: threshold
            for name, threshold in self.image_thresholds.items()
            if Tier.parse(name).input_size in (None, *sizes)
        }
        config = {**self.get_config(), "input_sizes": sizes, "image_thresholds": thresholds}
        network = self.from_config(config)
        network._take_weights(self)
        return network

    def without_tail(self) -> Self:
        """The same network with logits and masks of its images' size; no other weight changes."""
        network = self.from_config({**self.get_config(), "tail": None})
        network._take_weights(self)
        return network

    def _weighted_layers(self) -> list[keras.layers.Layer]:
        """The layers that hold weights themselves, each with a name of its own."""
        return [
            layer
            for layer in self._flatten_layers(include_self=False)
            if layer.weights and not list(layer._flatten_layers(include_self=False))
        ]

    def _wire(self) -> None:
        """Make every tier's graph; a family calls it when its layers are there."""
        self._narrow(self._flatten_layers())
        for name, vector in self._graphs.configurations.items():
            self._graphs.configurations[name] = self._parse_vector(vector)
        self._graphs.input_sizes = parse_sizes(
            self._graphs.input_sizes, self.image_size, self.size_multiple
        )
        self._check_exits()
        # The heaviest first: its path gives the layers their plain names.
        for name in reversed(self._graphs.configurations):
            self._wire_configuration(name)
        self.build(None)

    def _wire_configuration(self, name: str) -> None:
        """Make the graphs that make weights: those of other sizes share all of the native ones'.

        But for ranges of activations behind the interpolation in front of a tail.
        """
        for final in (Tier(name), *(Tier(name, input_size=size) for size in self.input_sizes)):
            if final.input_size is None or (self.tail and self.arithmetic.to_policy()):
                self.joint_model(self.exits_of(final))

    def _check_exits(self) -> None:
        blocks = len(next(iter(self.configurations.values())))
        depths = [exit_.after for exit_ in self.exits]
        if depths != sorted(depths) or max(depths, default=1) >= blocks:
            raise InputError(
                f"`exits` must stand behind 1 to {blocks - 1} blocks, shallowest first; "
                f"received: {', '.join(map(str, depths))}"
            )
        names = [exit_.name for exit_ in self.exits]
        if twice := {name for name in names if names.count(name) > 1}:
            raise InputError(f"`exits` must differ; received twice: {', '.join(sorted(twice))}")
        early = {tier.name for tier in self.tiers if tier.exit is not None}
        for name, threshold in self._graphs.thresholds.items():
            if name not in early or not 0 <= threshold <= 1:
                raise InputError(
                    f"`image_thresholds` must be 0 to 1 for tiers among {', '.join(sorted(early))}"
                    f"; received: {name!r}: {threshold}"
                )

    @abstractmethod
    def _parse_vector(self, vector: str | Sequence[str]) -> str:
        """Check a vector and return it as letters."""

    # === Parts ===

    @property
    def multi_scale(self) -> list[keras.layers.Layer]:
        """What merges and judges features of several scales: heads, and decoders."""
        return [*self.exit_heads]

    def float_models(self) -> list[keras.Model]:
        """`float_model` of every configuration with all of its exits, the heaviest first."""
        return [self.float_model(self.exits_of(name)) for name in reversed(self.configurations)]

    # === Arithmetic ===

    def in_arithmetic(self, policy: str | Mapping[str, Any], *, is_new: bool = False) -> Self:
        """The same weights in another arithmetic; see `kit.quantize`.

        Args:
            policy: As there.
            is_new: Whether the weights are those that training begins with.
        """
        network = self.from_config({**self.get_config(), "arithmetic": policy})
        network._take_weights(self)
        layers = {layer.name: layer for layer in network._flatten_layers()}
        network.arithmetic.take_over(self.arithmetic, layers, is_new=is_new)
        return network

    def _take_weights(self, other: AdaptiveNetwork) -> None:
        """Those of the layers that another network has by the same name."""
        theirs = {layer.name: layer for layer in other._weighted_layers()}
        for layer in self._weighted_layers():
            if layer.name in theirs:
                layer.set_weights(theirs[layer.name].get_weights())

    # === Config ===

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """A network of the configuration that `get_config` gave."""
        config = dict(config)
        arithmetic = make_arithmetic(config.pop("arithmetic", "float32"))
        with arithmetic_scope(arithmetic), channels_scope(config.pop("channels", {})):
            return cls(**config)

    def resized(self, image_size: tuple[int, int]) -> Self:
        """The same weights at another native size, larger than each of `input_sizes`."""
        network = self.from_config({**self.get_config(), "image_size": image_size})
        network.set_weights(self.get_weights())
        return network

    def build(self, input_shape: Any = None) -> None:
        """Nothing to make: the tiers' graphs were wired by the constructor."""

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments."""
        return {
            "num_classes": self.num_classes,
            "image_size": self.image_size,
            "configurations": self.configurations,
            "exits": [exit_.to_dict() for exit_ in self.exits],
            "image_thresholds": self.image_thresholds,
            "training_record": self.training_record,
            "name": self.name,
            **({"tail": self.tail.to_dict()} if self.tail else {}),
            **({"channels": self.channels} if self.channels else {}),
            **({"input_sizes": self.input_sizes} if self.input_sizes else {}),
            **({"arithmetic": policy} if (policy := self.arithmetic.to_policy()) else {}),
        }
