"""One network, several tiers: what every family shares."""

from __future__ import annotations

import functools
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, Self

import keras
from keras import ops

from kit.errors import InputError
from kit.layers.class_mask import ClassMask
from kit.layers.confidence import Confidence
from kit.layers.path_batch_normalization import PathBatchNormalization
from kit.search.profiling import Profile, profile
from kit.tiers import Tier
from kit.training.active_variables import updating_only
from kit.training.schedule import Schedule
from kit.training.single_tier import SingleTier


class AdaptiveNetwork(keras.Model):
    """Base of segmentation networks that hold several tiers.

    A family says how a tier's graph is wired (`_connect`); this class makes functional models of
    it, trains them by a schedule with stock `compile` and `fit` on any Keras backend, and knows
    what each costs.

    Args:
        num_classes: Classes of the masks, 2–255.
        image_size: `(height, width)` in pixels.
        configurations: Name to vector of the configurations, lightest first.
        training_record: What is known of the weights' origin: recipe, seed, data set, labels.
        name: Of the network.

    Input shape: `(batch, height, width, 3)`, RGB, 0–255; output: logits float32
    `(batch, height, width, num_classes)`.
    """

    train_function: Any  # Set by Keras.

    def __init__(
        self,
        num_classes: int,
        image_size: tuple[int, int],
        configurations: Mapping[str, str],
        training_record: Mapping[str, Any] | None = None,
        name: str | None = None,
    ) -> None:
        if not 2 <= num_classes <= 255:
            raise InputError(f"`num_classes` must be 2 to 255; received: {num_classes}")
        super().__init__(name=name)
        self.num_classes = num_classes
        self.image_size = (image_size[0], image_size[1])
        self.training_record = dict(training_record or {})
        # In a namespace, which Keras does not track: these share their layers with the network.
        self._graphs = SimpleNamespace(
            configurations=dict(configurations), models={}, active=(), step=None
        )
        self.schedule: Schedule = SingleTier(self.default_tier)

    # === Tiers ===

    @property
    def configurations(self) -> dict[str, str]:
        """Name to vector (one letter a block), lightest first."""
        return dict(self._graphs.configurations)

    @property
    def tiers(self) -> tuple[Tier, ...]:
        """Every tier, lightest first."""
        return tuple(Tier(name) for name in self._graphs.configurations)

    @property
    def default_tier(self) -> Tier:
        """The tier that `call`, `predict` and `evaluate` run: the heaviest."""
        return self.tiers[-1]

    def resolve(self, name: str | Tier) -> Tier:
        """The tier of this network that `name` names.

        A vector that is no configuration yet becomes one (`add_configuration`).

        Raises:
            InputError: listing the valid names.
        """
        tier = Tier.parse(name)
        if tier.exit is not None or tier.input_size not in (None, self.image_size):
            raise InputError(
                f"`tier` must be one of {', '.join(map(str, self.tiers))}, or a vector of "
                f"branches; received: {tier.name!r}"
            )
        if tier.configuration not in self._graphs.configurations:
            self.add_configuration(tier.configuration, tier.configuration)
        return Tier(tier.configuration)

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
        self.tier(tier)
        for layer in self._flatten_layers():
            if isinstance(layer, PathBatchNormalization) and id(layer) not in known:
                layer.copy_statistics()
        self.train_function = None
        return tier

    def tier(self, name: str | Tier) -> keras.Model:
        """The functional model of one tier; its layers are the network's own.

        Args:
            name: Of the tier, or a `Tier`.

        Returns:
            Model from images `(batch, height, width, 3)`, 0–255, to logits float32
            `(batch, height, width, num_classes)` at the images' size.
        """
        return self._model("", name, lambda logits: self._interpolate(logits, self.image_size))

    def logits_model(self, name: str | Tier) -> keras.Model:
        """As `tier`, with `{"logits": …}` at the resolution at which the tier computes them."""
        return self._model("logits", name, lambda logits: {"logits": logits})

    def predictor(self, name: str | Tier, pixel_threshold: float = 0.5) -> keras.Model:
        """What a device runs for one tier: exactly this is exported.

        Half of the resolution that lies between a tier's logits and its mask is interpolated, the
        other half repeated, for the interpolation at full size is the dearest part of a light tier.

        Args:
            name: Of the tier, or a `Tier`.
            pixel_threshold: Class probability from which a pixel counts as sure.

        Returns:
            Model from images `(batch, height, width, 3)`, 0–255, to
            `{"mask": uint8 (batch, height, width), "confidence": float32 (batch,)}`.
        """

        def head(logits: keras.KerasTensor) -> dict[str, keras.KerasTensor]:
            height, width = self.image_size
            stride = height // logits.shape[1]
            repeat = max(stride // 2, 1)
            finer = self._interpolate(logits, (height // repeat, width // repeat))
            return {
                "mask": ClassMask(repeat, name="mask")(finer),
                "confidence": Confidence(
                    pixel_threshold, step=max(8 // stride, 1), name="confidence"
                )(logits),
            }

        return self._model(f"predictor{pixel_threshold}", name, head)

    def profile(self, name: str | Tier) -> Profile:
        """Exact parameters and multiply-adds of a tier."""
        return profile(self.logits_model(name))

    def _model(self, kind: str, name: str | Tier, head: Any) -> keras.Model:
        tier = self.resolve(name)
        models = self._graphs.models
        if (kind, tier) not in models:
            image = keras.Input((*self.image_size, 3), name="image")
            logits = self._connect(image, self._graphs.configurations[tier.configuration])
            models[kind, tier] = keras.Model(
                image, head(logits), name="_".join(filter(None, [self.name, tier.name, kind]))
            )
        return models[kind, tier]

    def _interpolate(self, logits: keras.KerasTensor, size: tuple[int, int]) -> keras.KerasTensor:
        scale = size[0] // logits.shape[1]
        if scale == 1:
            return logits
        return keras.layers.UpSampling2D(
            scale, interpolation="bilinear", dtype="float32", name=f"logits_x{scale}"
        )(logits)

    @abstractmethod
    def _connect(self, image: keras.KerasTensor, vector: str) -> keras.KerasTensor:
        """Wire the graph of a configuration from images to float32 logits at its own stride."""

    @abstractmethod
    def _parse_vector(self, vector: str | Sequence[str]) -> str:
        """Check a vector and return it as letters."""

    # === Training ===

    def compile(self, *args: Any, schedule: Schedule | None = None, **kwargs: Any) -> None:
        """Configure training.

        Args:
            *args: As of `keras.Model.compile`.
            schedule: Which tiers a step trains; the default tier alone by default.
            **kwargs: As of `keras.Model.compile`. `jit_compile="auto"` is off for TensorFlow
                without an accelerator, where XLA's convolutions took 7 times as long.

        Raises:
            InputError: if `steps_per_execution` is not 1: each step may be another graph.
        """
        if kwargs.get("steps_per_execution", 1) != 1:
            raise InputError(
                "`steps_per_execution` must be 1, for each step may train another tier; "
                f"received: {kwargs['steps_per_execution']}"
            )
        if kwargs.get("jit_compile", "auto") == "auto" and not _compiles_convolutions_well():
            kwargs["jit_compile"] = False
        super().compile(*args, **kwargs)
        # Over all variables: it would not know one that it meets later, in another tier's step.
        if not self.optimizer.built:
            self.optimizer.build(self.trainable_variables)
        self.schedule = schedule or SingleTier(self.default_tier)
        self.schedule.bind(self)
        self._graphs.step = None

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile a loaded network as it was saved, with the default schedule."""
        self.compile(**keras.saving.deserialize_keras_object(config))

    def fit(self, *args: Any, **kwargs: Any) -> keras.callbacks.History:
        """Train; arguments and result as of `keras.Model.fit`."""
        follow = keras.callbacks.LambdaCallback(
            on_train_begin=lambda logs=None: self._synchronise()
        )
        kwargs["callbacks"] = [*(kwargs.get("callbacks") or []), follow]
        return super().fit(*args, **kwargs)

    def _synchronise(self) -> None:
        self._graphs.step = int(ops.convert_to_numpy(self.optimizer.iterations.value))

    def make_train_function(self, force: bool = False) -> None:
        """Make one compiled step per distinct set of tiers, and dispatch by the schedule."""
        if self.train_function is not None and not force:
            return
        compiled: dict[tuple[Tier, ...], Any] = {}

        def train_function(*args: Any) -> Any:
            if self._graphs.step is None:
                self._synchronise()
            tiers = self.schedule.draw(self._graphs.step)
            if tiers not in compiled:
                compiled[tiers] = self._compile_step(tiers)
            self._graphs.step += 1
            return compiled[tiers](*args)

        self.train_function = train_function

    def _compile_step(self, tiers: tuple[Tier, ...]) -> Any:
        # `jax.jit` caches by function: without an object of its own for each set of tiers, all
        # would silently share the graph of the first.
        self.train_step = functools.partial(self._train_tiers, tiers)
        dispatch = self.train_function
        try:
            super().make_train_function(force=True)
            return self.train_function
        finally:
            del self.train_step
            # Keras has put the compiled step in its place, which would then run for every tier.
            self.train_function = dispatch

    def _train_tiers(self, tiers: tuple[Tier, ...], *args: Any) -> Any:
        variables = [v for tier in tiers for v in self.tier(tier).trainable_variables]
        self._graphs.active = tiers
        try:
            with updating_only(self.optimizer, variables):
                return super().train_step(*args)
        finally:
            self._graphs.active = ()

    def call(self, images: Any, training: bool = False) -> Any:
        """Logits of the default tier, or of the tiers that the training step has drawn."""
        outputs = [
            self.tier(tier)(images, training=training)
            for tier in self._graphs.active or (self.default_tier,)
        ]
        return outputs[-1] if len(outputs) == 1 else outputs

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Sum of the tiers' task losses, and of their distillation when the schedule has one."""
        predictions = y_pred if isinstance(y_pred, list) else [y_pred]
        loss = sum(
            super(AdaptiveNetwork, self).compute_loss(x, y, prediction, sample_weight, training)
            for prediction in predictions
        )
        teacher = self.schedule.teacher
        active = self._graphs.active
        if active and self.schedule.distillation and teacher is not None and teacher not in active:
            # By the batch's own statistics: the averages of a tier that is drawn in one step of
            # six trail behind weights that move in all of them. The averages stay as they are.
            with _momentum(self.tier(teacher), 1.0) as model:
                target = ops.stop_gradient(ops.log_softmax(model(x, training=True)))
            for prediction in predictions:
                loss += self.schedule.distillation * _divergence(target, prediction)
        return loss

    def compute_metrics(
        self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None
    ) -> dict[str, Any]:
        """Metrics of the last tier of the step."""
        return super().compute_metrics(
            x, y, y_pred[-1] if isinstance(y_pred, list) else y_pred, sample_weight
        )

    def recalibrate(
        self, batches: Iterable[Any], tiers: Iterable[str | Tier] | None = None
    ) -> None:
        """Estimate the BatchNorm statistics of each tier anew, as the mean over `batches`.

        Args:
            batches: Images `(batch, height, width, 3)`, or tuples that begin with them; read once
                for each tier. Not augmented ones give statistics as they will be at inference.
            tiers: Tiers to recalibrate; all by default.

        Raises:
            InputError: if `batches` can be read once only and there are several tiers.
        """
        chosen = [self.resolve(tier) for tier in tiers or self.tiers]
        if len(chosen) > 1 and iter(batches) is batches:
            raise InputError(
                "`batches` must be readable once for each tier, as a list is; "
                f"received: {type(batches).__name__}"
            )
        for tier in chosen:
            for index, batch in enumerate(batches):
                images = batch[0] if isinstance(batch, tuple) else batch
                with _momentum(self.tier(tier), index / (index + 1)) as model:
                    model(ops.convert_to_tensor(images, "float32"), training=True)

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
            "training_record": self.training_record,
            "name": self.name,
        }


def _compiles_convolutions_well() -> bool:
    return keras.backend.backend() != "tensorflow" or bool(keras.distribution.list_devices("gpu"))


@contextmanager
def _momentum(model: keras.Model, momentum: float) -> Iterator[keras.Model]:
    """The model, its moving statistics with another momentum: 1 holds them, 0 replaces them."""
    norms = [layer for layer in model.layers if isinstance(layer, PathBatchNormalization)]
    before = [norm.momentum for norm in norms]
    try:
        for norm in norms:
            norm.momentum = momentum
        yield model
    finally:
        for norm, original in zip(norms, before, strict=True):
            norm.momentum = original


def _divergence(target: Any, logits: Any) -> Any:
    """Kullback–Leibler divergence of the predictions from the target's log-probabilities."""
    logits = ops.cast(logits, "float32")
    difference = ops.cast(target, "float32") - ops.log_softmax(logits)
    return ops.mean(ops.sum(ops.exp(ops.cast(target, "float32")) * difference, axis=-1))
