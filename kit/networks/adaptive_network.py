"""One network, several tiers: what every family shares."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, Self

import keras

from kit.errors import InputError
from kit.layers.class_mask import ClassMask
from kit.layers.confidence import Confidence
from kit.layers.exit_head import ExitHead
from kit.layers.path_batch_normalization import PathBatchNormalization
from kit.networks.exit import Exit
from kit.networks.tier_training import TierTraining
from kit.search.exit_policy import ExitPolicy
from kit.search.profiling import Profile, profile
from kit.tiers import Tier

State = dict[str, keras.KerasTensor]
"""What has been computed up to a block and is needed behind it; `"x"` is the deepest tensor."""

_FINEST_REPEAT = 4


class AdaptiveNetwork(TierTraining):
    """Base of segmentation networks that hold several tiers.

    A family says how its blocks are wired (`_begin`, `_block`, `_classify`); this class makes
    functional models of any tier and stage of it, and knows what each costs. Early exits (MESS,
    arXiv 2106.03527) stand between blocks and share the branches of their configuration.

    Args:
        num_classes: Classes of the masks, 2–255.
        image_size: `(height, width)` in pixels.
        configurations: Name to vector of the configurations, lightest first.
        exits: Early exits, shallowest first: `Exit`, or what its `to_dict` gave. Several may stand
            at one point; stages ask for one a point.
        image_thresholds: Tier's name to the confidence, 0–1, from which an image leaves there.
        training_record: What is known of the weights' origin: recipe, seed, data set, labels.
        name: Of the network.

    Input shape: `(batch, height, width, 3)`, RGB, 0–255; output: logits float32
    `(batch, height, width, num_classes)`.
    """

    def __init__(
        self,
        num_classes: int,
        image_size: tuple[int, int],
        configurations: Mapping[str, str],
        exits: Iterable[Exit | Mapping[str, Any]] = (),
        image_thresholds: Mapping[str, float] | None = None,
        training_record: Mapping[str, Any] | None = None,
        name: str | None = None,
    ) -> None:
        if not 2 <= num_classes <= 255:
            raise InputError(f"`num_classes` must be 2 to 255; received: {num_classes}")
        super().__init__(name=name)
        self.num_classes = num_classes
        self.image_size = (image_size[0], image_size[1])
        self.training_record = dict(training_record or {})
        self.exit_heads: list[ExitHead] = []
        # In a namespace, which Keras does not track: these share their layers with the network.
        self._graphs = SimpleNamespace(
            configurations=dict(configurations),
            exits=tuple(Exit.parse(exit_) for exit_ in exits),
            thresholds=dict(image_thresholds or {}),
            models={},
            interpolations={},
        )

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
    def final_tiers(self) -> tuple[Tier, ...]:
        """The final exit of every configuration, lightest first."""
        return tuple(Tier(name) for name in self._graphs.configurations)

    @property
    def tiers(self) -> tuple[Tier, ...]:
        """Every tier: configurations from the lightest, exits of each from the shallowest."""
        return tuple(tier for final in self.final_tiers for tier in self.exits_of(final))

    @property
    def default_tier(self) -> Tier:
        """The tier that `call`, `predict` and `evaluate` run: the heaviest, to its end."""
        return self.final_tiers[-1]

    def exits_of(self, configuration: str | Tier) -> tuple[Tier, ...]:
        """The tiers of one configuration, shallowest first, the final exit last."""
        name = Tier.parse(configuration).configuration
        early = (Tier(name, exit=k) for k in range(1, len(self.exits) + 1))
        return (*early, Tier(name))

    def resolve(self, name: str | Tier) -> Tier:
        """The tier of this network that `name` names.

        A vector that is no configuration yet becomes one (`add_configuration`).

        Raises:
            InputError: listing the valid names.
        """
        tier = Tier.parse(name)
        if tier.input_size not in (None, self.image_size):
            raise InputError(
                f"`tier` must be one of {', '.join(map(str, self.tiers))}, or a vector of "
                f"branches; received: {tier.name!r}"
            )
        if tier.exit is not None and tier.exit > len(self.exits):
            have = f"exits 1 to {len(self.exits)}" if self.exits else "no early exits"
            raise InputError(f"`tier`: the network has {have}; received: {tier.name!r}")
        if tier.configuration not in self._graphs.configurations:
            self.add_configuration(tier.configuration, tier.configuration)
        return Tier(tier.configuration, exit=tier.exit)

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
        self.joint_model(self.exits_of(tier))
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
        own = {layer.name: layer for layer in self._weighted_layers()}
        for layer in network._weighted_layers():
            if layer.name in own:
                layer.set_weights(own[layer.name].get_weights())
        return network

    def _weighted_layers(self) -> list[keras.layers.Layer]:
        """The layers that hold weights themselves, each with a name of its own."""
        return [
            layer
            for layer in self._flatten_layers(include_self=False)
            if layer.weights and not list(layer._flatten_layers(include_self=False))
        ]

    # === Functional models ===

    def tier(self, name: str | Tier) -> keras.Model:
        """The functional model of one tier; its layers are the network's own.

        Args:
            name: Of the tier, or a `Tier`.

        Returns:
            Model from images `(batch, height, width, 3)`, 0–255, to logits float32
            `(batch, height, width, num_classes)` at the images' size.
        """
        return self.joint_model((self.resolve(name),))

    def joint_model(self, tiers: Sequence[Tier]) -> keras.Model:
        """The functional model of several tiers that runs what they share once.

        Args:
            tiers: One or more, of any configurations.

        Returns:
            As `tier`, with a list of logits in the order of `tiers` if there are several.
        """
        tiers = tuple(tiers)

        def make() -> tuple[Any, Any]:
            image = self._image()
            outputs: dict[Tier, keras.KerasTensor] = {}
            for configuration in dict.fromkeys(tier.configuration for tier in tiers):
                state, depth = self._begin(image, self.configurations[configuration]), 0
                group = {tier for tier in tiers if tier.configuration == configuration}
                for tier in sorted(group, key=self._depth):
                    state, depth = self._run(tier, state, depth), self._depth(tier)
                    outputs[tier] = self._full_size(self._logits(tier, state))
            logits = [outputs[tier] for tier in tiers]
            return image, logits if len(logits) > 1 else logits[0]

        return self._model("_".join(map(str, tiers)), make)

    def features_model(self, tiers: Sequence[Tier]) -> keras.Model:
        """The functional model of what early exits take in.

        Args:
            tiers: One or more, of one configuration.

        Returns:
            Model from images to a list: for each early exit its features
            `(batch, height / stride, width / stride, channels)`, for a final one its logits at the
            images' size.
        """
        tiers = tuple(tiers)

        def make() -> tuple[Any, Any]:
            image = self._image()
            state, depth = self._begin(image, self.configurations[tiers[0].configuration]), 0
            outputs: dict[Tier, keras.KerasTensor] = {}
            for tier in sorted(tiers, key=self._depth):
                state, depth = self._run(tier, state, depth), self._depth(tier)
                if tier.exit is None:
                    outputs[tier] = self._full_size(self._logits(tier, state))
                else:
                    outputs[tier] = state["x"]
            return image, [outputs[tier] for tier in tiers]

        return self._model("features_" + "_".join(map(str, tiers)), make)

    def trunk_model(self, configuration: str | Tier, blocks: int) -> keras.Model:
        """The functional model of a configuration's first blocks.

        Args:
            configuration: Its name.
            blocks: How many blocks run, 0 to all.

        Returns:
            Model from images to the features behind them, `(batch, height / stride,
            width / stride, channels)`.
        """
        name = self.resolve(configuration).configuration

        def make() -> tuple[Any, Any]:
            image = self._image()
            vector = self.configurations[name]
            state = self._begin(image, vector)
            for index in range(blocks):
                state = self._block(index, state, vector)
            return image, state["x"]

        return self._model(f"{name}_trunk_{blocks}", make)

    def exit_model(self, tier: Tier) -> keras.Model:
        """The functional model of an early exit's head.

        Args:
            tier: An early exit.

        Returns:
            Model from its features to logits float32 `(batch, height, width, num_classes)` at the
            images' size.
        """

        def make() -> tuple[Any, Any]:
            (features,) = self.features_model((tier,)).outputs
            x = keras.Input(features.shape[1:], dtype=features.dtype, name="features")
            return x, self._full_size(self._logits(tier, {"x": x}))

        return self._model(f"head_{tier}", make)

    def logits_model(self, name: str | Tier) -> keras.Model:
        """As `tier`, with `{"logits": …}` at the resolution at which the tier computes them."""
        tier = self.resolve(name)
        return self._one_shot(f"{tier}_logits", tier, lambda logits: {"logits": logits})

    def predictor(self, name: str | Tier, policy: ExitPolicy | None = None) -> keras.Model:
        """What a device runs for one tier: exactly this is exported.

        Part of the resolution that lies between a tier's logits and its mask is interpolated, the
        rest repeated, for the interpolation at full size is the dearest part of a light tier.

        Args:
            name: Of the tier, or a `Tier`.
            policy: How sure pixels are told; the exit's own by default.

        Returns:
            Model from images `(batch, height, width, 3)`, 0–255, to
            `{"mask": uint8 (batch, height, width), "confidence": float32 (batch,)}`.
        """
        tier = self.resolve(name)
        policy = policy or self.policy(tier)
        return self._one_shot(
            f"{tier}_predictor_{policy}", tier, lambda logits: self._decide(logits, policy)
        )

    def stage(self, configuration: str | Tier, stage: int) -> keras.Model:
        """One of the chained stages of a configuration.

        Args:
            configuration: Its name.
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
            vector = self.configurations[tier.configuration]
            inputs: Any = self._image()
            state = self._begin(inputs, vector)
            depth = 0
            if stage > 1:
                depth = depths[stage - 2]
                state = {
                    key: keras.Input(value.shape[1:], dtype=value.dtype, name=f"state_{key}")
                    for key, value in self._run(tiers[stage - 2], state, 0).items()
                }
                inputs = {f"state_{key}": value for key, value in state.items()}
            state = self._run(tier, state, depth)
            outputs = self._decide(self._logits(tier, state), self.policy(tier))
            if tier.exit is not None:
                outputs |= {f"state_{key}": value for key, value in state.items()}
            return inputs, outputs

        return self._model(tier.stage_name(stage), make)

    def policy(self, name: str | Tier) -> ExitPolicy:
        """How a tier tells sure pixels."""
        exit_ = Tier.parse(name).exit
        return ExitPolicy() if exit_ is None else self.exits[exit_ - 1].policy

    def profile(self, name: str | Tier) -> Profile:
        """Exact parameters and multiply-adds of a tier."""
        return profile(self.logits_model(name))

    def _one_shot(self, key: str, tier: Tier, head: Callable[[Any], Any]) -> keras.Model:
        def make() -> tuple[Any, Any]:
            image = self._image()
            state = self._begin(image, self.configurations[tier.configuration])
            return image, head(self._logits(tier, self._run(tier, state, 0)))

        return self._model(key, make)

    def _model(self, key: str, make: Callable[[], tuple[Any, Any]]) -> keras.Model:
        models = self._graphs.models
        if key not in models:
            name = re.sub(r"\W+", "_", f"{self.name}_{key}")
            models[key] = keras.Model(*make(), name=name[:200])
        return models[key]

    # === Wiring ===

    def _image(self) -> keras.KerasTensor:
        return keras.Input((*self.image_size, 3), name="image")

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
            stride = self.image_size[0] // x.shape[1]
            head = ExitHead(exit_.head, x.shape[-1], self.num_classes, stride, name=exit_.name)
            self.exit_heads.append(head)
            return head
        return made[f"{exit_.name}_exit"]

    def _full_size(self, logits: keras.KerasTensor) -> keras.KerasTensor:
        return self._interpolate(logits, self.image_size)

    def _interpolate(self, logits: keras.KerasTensor, size: tuple[int, int]) -> keras.KerasTensor:
        scale = size[0] // logits.shape[1]
        if scale == 1:
            return logits
        layers = self._graphs.interpolations
        if scale not in layers:
            layers[scale] = keras.layers.UpSampling2D(
                scale, interpolation="bilinear", dtype="float32", name=f"logits_x{scale}"
            )
        return layers[scale](logits)

    def _decide(self, logits: keras.KerasTensor, policy: ExitPolicy) -> dict[str, Any]:
        """Mask and confidence of logits."""
        height, width = self.image_size
        stride = height // logits.shape[1]
        repeat = min(max(stride // 2, 1), _FINEST_REPEAT)
        finer = self._interpolate(logits, (height // repeat, width // repeat))
        return {
            "mask": ClassMask(repeat, name="mask")(finer),
            "confidence": Confidence(
                policy.pixel_threshold,
                step=max(8 // stride, 1),
                measure=policy.measure,
                edge_aware=policy.edge_aware,
                name="confidence",
            )(logits),
        }

    def _wire(self) -> None:
        """Make every tier's graph; a family calls it when its layers are there."""
        for name, vector in self._graphs.configurations.items():
            self._graphs.configurations[name] = self._parse_vector(vector)
        self._check_exits()
        # The heaviest first: its path gives the layers their plain names.
        for final in reversed(self.final_tiers):
            self.joint_model(self.exits_of(final))
        self.build(None)

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

    @abstractmethod
    def _parse_vector(self, vector: str | Sequence[str]) -> str:
        """Check a vector and return it as letters."""

    # === Config ===

    def resized(self, image_size: tuple[int, int]) -> Self:
        """The same weights at another input size."""
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
        }
