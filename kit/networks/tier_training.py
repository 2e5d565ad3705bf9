"""Training of several tiers by stock `compile` and `fit`, on any Keras backend."""

from __future__ import annotations

import functools
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import keras
from keras import ops

from kit.errors import InputError
from kit.layers.path_batch_normalization import PathBatchNormalization
from kit.losses import MultiLevelLoss
from kit.quantization.arithmetic import Arithmetic
from kit.quantization.l1_norm import L1Norm
from kit.tiers import Tier
from kit.training.active_variables import UpdateRule, updating_only
from kit.training.schedule import Schedule
from kit.training.single_tier import SingleTier


class TierTraining(keras.Model):
    """Base of networks of which each training step runs the tiers that a schedule draws.

    A network says what its tiers are and gives functional models of them; this class compiles one
    step per distinct set of tiers and dispatches on the host.

    Args:
        name: Of the network.
    """

    schedule: Schedule
    arithmetic: Arithmetic
    train_function: Any  # Set by Keras.

    def __init__(self, name: str | None = None) -> None:
        super().__init__(name=name)
        # In a namespace, which Keras does not track: these share their layers with the network.
        self._training = SimpleNamespace(active=(), step=None, fits=False, rule=None)

    # === What a network gives ===

    @property
    @abstractmethod
    def tiers(self) -> tuple[Tier, ...]:
        """Every tier."""

    @property
    @abstractmethod
    def default_tier(self) -> Tier:
        """The tier that `call`, `predict` and `evaluate` run."""

    @property
    @abstractmethod
    def has_levels(self) -> bool:
        """Whether there is a `levels_model`."""

    @abstractmethod
    def resolve(self, name: str | Tier) -> Tier:
        """The tier of this network that `name` names."""

    @abstractmethod
    def joint_model(self, tiers: Sequence[Tier]) -> keras.Model:
        """Functional model of several tiers that runs what they share once: a list of logits."""

    @abstractmethod
    def levels_model(self, tiers: Sequence[Tier]) -> keras.Model:
        """As `joint_model`, for each tier's name a list of the logits of every level of a tail."""

    @abstractmethod
    def features_model(self, tiers: Sequence[Tier]) -> keras.Model:
        """Functional model of what early exits take in and, where asked for, the final logits."""

    @abstractmethod
    def exit_model(self, tier: Tier) -> keras.Model:
        """Functional model of an early exit's head, from its features to logits."""

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
        self.arithmetic.check_optimizer(self.optimizer)
        # Over all variables: it would not know one that it meets later, in another tier's step.
        if not self.optimizer.built:
            self.optimizer.build(self.trainable_variables)
        self.schedule = schedule or SingleTier(self.default_tier)
        self.schedule.bind(self)
        self._training.step = self._training.rule = None

    def update_by(self, rule: UpdateRule) -> None:
        """Let a rule do the update of each training step, until the network is compiled anew.

        Args:
            rule: Given pairs of gradient and variable and the optimizer's update of such pairs,
                while a step is being traced.
        """
        self._training.rule = rule
        if self.train_function is not None:  # whose steps were traced without
            self.make_train_function(force=True)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile a loaded network as it was saved, with the default schedule."""
        self.compile(**keras.saving.deserialize_keras_object(config))

    def fit(self, *args: Any, **kwargs: Any) -> keras.callbacks.History:
        """Train; arguments and result as of `keras.Model.fit`."""
        follow = keras.callbacks.LambdaCallback(
            on_train_begin=lambda logs=None: self._synchronise()
        )
        kwargs["callbacks"] = [*(kwargs.get("callbacks") or []), follow]
        self._training.fits = True
        try:
            return super().fit(*args, **kwargs)
        finally:
            self._training.fits = False

    def _synchronise(self) -> None:
        self._training.step = int(ops.convert_to_numpy(self.optimizer.iterations.value))

    def make_train_function(self, force: bool = False) -> None:
        """Make one compiled step per distinct set of tiers, and dispatch by the schedule.

        On TensorFlow also per size, where batches differ in it: Keras's bilinear upsampling needs
        to know it.
        """
        if self.train_function is not None and not force:
            return
        compiled: dict[Any, Any] = {}

        def train_function(*args: Any) -> Any:
            if self._training.step is None:
                self._synchronise()
            tiers = self.schedule.draw(self._training.step)
            *state, data = args
            data, size = _of_known_size(data)
            key = tiers, size
            if key not in compiled:
                compiled[key] = self._compile_step(tiers)
            self._training.step += 1
            return compiled[key](*state, data)

        self.train_function = train_function

    def _compile_step(self, tiers: tuple[Tier, ...]) -> Any:
        self._check_drawn(tiers)
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

    def _check_drawn(self, tiers: tuple[Tier, ...]) -> None:
        """Refuse tiers that enlarge what they compute: batches hold no smaller images."""
        teacher = self.schedule.teacher
        for tier in (*tiers, *(() if teacher is None else (teacher,))):
            if tier.input_size is not None:
                raise InputError(
                    "`schedule` must draw tiers of the native size, whose weights those of others "
                    "share (smaller images train them: `kit.data.SlimmedBatches`); "
                    f"received: {tier}"
                )

    def _train_tiers(self, tiers: tuple[Tier, ...], *args: Any) -> Any:
        if self.schedule.heads_only:
            models = [self.exit_model(tier) for tier in tiers if tier.exit is not None]
        else:
            models = [self.joint_model(tiers)]
        variables = [variable for model in models for variable in model.trainable_variables]
        self._training.active = tiers
        try:
            with updating_only(self.optimizer, variables, self._training.rule):
                return super().train_step(*args)
        finally:
            self._training.active = ()

    def call(self, images: Any, training: bool = False) -> Any:
        """Logits of the default tier, or of the tiers that the training step has drawn."""
        active = self._training.active
        if active and self.schedule.heads_only:
            return self._heads(active, images, training)
        if active and self.has_levels and isinstance(self.loss, MultiLevelLoss):
            model = self.levels_model(active)
        else:
            model = self.joint_model(active or (self.default_tier,))
        # On JAX, `fit` builds on the first batch, whatever its size, before there is a step.
        if not active and not self._training.fits:
            return model(images, training=training)
        with _any_size(model):
            return model(images, training=training)

    def _heads(self, tiers: tuple[Tier, ...], images: Any, training: bool) -> list[Any]:
        """Logits of each tier; only heads of early exits are in training, all else is as shipped.

        Without `training=False` the trunk's statistics would move, and with them what every other
        exit sees.
        """
        taken = self.features_model(tiers)(images, training=False)
        outputs = []
        for tier, features in zip(tiers, taken, strict=True):
            features = ops.stop_gradient(features)
            if tier.exit is None:
                outputs.append(features)
            else:
                outputs.append(self.exit_model(tier)(features, training=training))
        return outputs

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """The schedule's sum of the tiers' losses, with its distillation when it has one."""
        predictions = self._predictions(y_pred)
        # A schedule sees the last level alone; the loss finds the others by it.
        all_levels = y_pred.values() if isinstance(y_pred, dict) else ()
        levels = {id(of_tier[-1]): of_tier for of_tier in all_levels}

        def task_loss(prediction: Any) -> Any:
            if levels:
                return self.loss(y, levels[id(prediction)], sample_weight) + sum(self.losses)
            return super(TierTraining, self).compute_loss(x, y, prediction, sample_weight, training)

        active = self._training.active
        if not active:
            return sum(task_loss(prediction) for prediction in predictions)
        loss = self.schedule.loss(task_loss, y, predictions)
        teacher = self.schedule.teacher
        if self.schedule.distillation and teacher is not None and teacher not in active:
            # By the batch's own statistics: the averages of a tier that is drawn in one step of
            # six trail behind weights that move in all of them. The averages stay as they are.
            with (
                _momentum(self.joint_model((teacher,)), 1.0) as model,
                _any_size(model),
                self.arithmetic.held(),
            ):
                target = ops.stop_gradient(ops.log_softmax(model(x, training=True)))
            for prediction in predictions:
                loss += self.schedule.distillation * _divergence(target, prediction)
        return loss

    def compute_metrics(
        self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None
    ) -> dict[str, Any]:
        """Metrics of the last tier of the step, at its last level."""
        return super().compute_metrics(x, y, self._predictions(y_pred)[-1], sample_weight)

    def _predictions(self, y_pred: Any) -> list[Any]:
        """Logits of each tier of the step, at the last level, from what `call` gave."""
        if isinstance(y_pred, dict):  # whose order a backend may have changed
            return [y_pred[tier.name][-1] for tier in self._training.active]
        return y_pred if isinstance(y_pred, list) else [y_pred]

    def recalibrate(
        self, batches: Iterable[Any], tiers: Iterable[str | Tier] | None = None
    ) -> None:
        """Estimate the BatchNorm statistics of each tier anew, as the mean over `batches`.

        Args:
            batches: Images `(batch, height, width, 3)` of the native size, or tuples that begin
                with them; read once for each configuration. Not augmented ones give statistics as
                they will be at inference.
            tiers: Tiers to recalibrate; all by default. Those of other input sizes have the
                statistics of the native one.

        Raises:
            InputError: if `batches` can be read once only and there are several configurations.
        """
        groups: dict[str, list[Tier]] = {}
        for name in tiers or self.tiers:
            tier = self.resolve(name).native
            group = groups.setdefault(tier.configuration, [])
            if tier not in group:
                group.append(tier)
        if len(groups) > 1 and iter(batches) is batches:
            raise InputError(
                "`batches` must be readable once for each configuration, as a list is; "
                f"received: {type(batches).__name__}"
            )
        for group in groups.values():
            for index, batch in enumerate(batches):
                images = batch[0] if isinstance(batch, tuple) else batch
                with _momentum(self.joint_model(group), index / (index + 1)) as model:
                    model(ops.convert_to_tensor(images, "float32"), training=True)


_NORMS = (PathBatchNormalization, L1Norm)


def _compiles_convolutions_well() -> bool:
    return keras.backend.backend() != "tensorflow" or bool(keras.distribution.list_devices("gpu"))


def _of_known_size(data: Any) -> tuple[Any, tuple[int, ...] | None]:
    """An iterator over batches whose images have one known size, and that size where they vary."""
    spec = getattr(data, "element_spec", None)
    if spec is None or None not in keras.tree.flatten(spec)[0].shape[1:]:
        return data, None
    batch = next(data)
    return iter([batch]), tuple(keras.tree.flatten(batch)[0].shape[1:])


@contextmanager
def _any_size(model: keras.Model) -> Iterator[None]:
    """Within the context the model takes images of other sizes than its own, as it trains on."""
    before = model.input_spec
    model.input_spec = keras.layers.InputSpec(ndim=4, axes={-1: 3})
    try:
        yield
    finally:
        model.input_spec = before


@contextmanager
def _momentum(model: keras.Model, momentum: float) -> Iterator[keras.Model]:
    """The model, its moving statistics with another momentum: 1 holds them, 0 replaces them."""
    norms = [layer for layer in model.layers if isinstance(layer, _NORMS)]
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
