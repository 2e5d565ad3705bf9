"""Functional models of what is trained, judged or timed by itself: trunk, segments and heads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras

from kit.networks.tier_graphs import TierGraphs
from kit.search.exit_policy import ExitPolicy
from kit.tiers import Tier


class PartGraphs(TierGraphs):
    """Base of networks that can be taken apart between trunk and heads.

    The second stage of MESS (arXiv 2106.03527) trains heads on features that stay as they are, and
    its search judges every head on one pass of the trunk and times every part once.
    """

    def trunk_model(self, configuration: str | Tier, blocks: int) -> keras.Model:
        """The functional model of a configuration's first blocks.

        Args:
            configuration: Its name, with the input size if that is not the native one.
            blocks: How many blocks run, 0 to all.

        Returns:
            Model from images to the features behind them, `(batch, height / stride,
            width / stride, channels)`.
        """
        return self._trunk(self.resolve(configuration), blocks, self._model)

    def _trunk(self, tier: Tier, blocks: int, model: Callable[..., keras.Model]) -> keras.Model:
        def make() -> tuple[Any, Any]:
            image = self._image()
            vector = self.configurations[tier.configuration]
            state = self._begin(image, vector)
            for index in range(blocks):
                state = self._block(index, state, vector)
            return image, state["x"]

        return model(f"{tier.final}_trunk_{blocks}", make, tier)

    def features_model(self, tiers: Sequence[Tier]) -> keras.Model:
        """The functional model of what early exits take in.

        Args:
            tiers: One or more, of one configuration and input size.

        Returns:
            Model from images to a list, or to what stands in it if there is one tier: for each
            early exit its features `(batch, height / stride, width / stride, channels)`, for a
            final one its logits at `output_size`.
        """
        return self._features(tuple(tiers), self._model)

    def _features(self, tiers: tuple[Tier, ...], model: Callable[..., keras.Model]) -> keras.Model:
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

        return model("features_" + "_".join(map(str, tiers)), make, *tiers)

    def exit_model(self, tier: Tier) -> keras.Model:
        """The functional model of an early exit's head.

        Args:
            tier: An early exit.

        Returns:
            Model from its features to logits float32 `(batch, height, width, num_classes)` at
            `output_size`.
        """

        def make() -> tuple[Any, Any]:
            (features,) = self._features((tier,), self._plain).outputs
            x = self._handed_in("features", features)
            return x, self._full_size(self._logits(tier, {"x": x}))

        return self._model(f"head_{tier}", make, tier)

    def judge(self, tiers: Sequence[Tier], policies: Sequence[ExitPolicy]) -> keras.Model:
        """What several tiers of one configuration say of images, by several policies at once.

        Args:
            tiers: One or more, of one input size.
            policies: One or more.

        Returns:
            Model from images to a list, one dictionary a tier, or to that of a single one: `mask`
            as of `predictor` and `confidence`, float32 `(batch, policies)`.
        """
        tiers = tuple(tiers)

        def make() -> tuple[Any, Any]:
            image = self._image()
            state, depth = self._begin(image, self.configurations[tiers[0].configuration]), 0
            outputs: dict[Tier, Any] = {}
            for tier in sorted(tiers, key=self._depth):
                state, depth = self._run(tier, state, depth), self._depth(tier)
                logits = self._logits(tier, state)
                shares = [self._confidence(logits, policy) for policy in policies]
                outputs[tier] = {
                    "mask": self._mask(logits),
                    "confidence": keras.ops.stack(shares, axis=-1),
                }
            return image, [outputs[tier] for tier in tiers]

        names = "_".join(map(str, [*tiers, *policies]))
        return self._model(f"judge_{names}", make, *tiers)

    def segment_model(self, configuration: str | Tier, start: int, stop: int) -> keras.Model:
        """The blocks from one point of a configuration to another, by themselves.

        Args:
            configuration: Its name, with the input size if that is not the native one.
            start: Number of blocks before; 0 begins with the image.
            stop: Number of blocks before the end.

        Returns:
            Model from the image, or from `state_*`, to a dictionary of `state_*`.
        """
        tier = self.resolve(configuration).final

        def make() -> tuple[Any, Any]:
            inputs, state = self._entry(tier, start)
            for index in range(start, stop):
                state = self._block(index, state, self.configurations[tier.configuration])
            return inputs, {f"state_{key}": value for key, value in state.items()}

        return self._model(f"{tier}_segment_{start}_{stop}", make, tier)

    def head_model(self, name: str | Tier, policy: ExitPolicy | None = None) -> keras.Model:
        """The head of a tier by itself, as a device runs it.

        Args:
            name: Of the tier, or a `Tier`.
            policy: How sure pixels are told; the exit's own by default.

        Returns:
            Model from `state_x`, the features, to `mask` and `confidence` as of `predictor`; that
            of a final exit begins with all of `state_*` that its blocks leave.
        """
        tier = self.resolve(name)
        policy = policy or self.policy(tier)

        def make() -> tuple[Any, Any]:
            if tier.exit is None:
                inputs, state = self._entry(tier, self._depth(tier))
            else:
                trunk = self._trunk(tier, self._depth(tier), self._plain)
                state = {"x": self._handed_in("state_x", trunk.outputs[0])}
                inputs = {"state_x": state["x"]}
            return inputs, self._decide(self._logits(tier, state), policy)

        return self._model(f"{tier}_head_{policy}", make, tier)
