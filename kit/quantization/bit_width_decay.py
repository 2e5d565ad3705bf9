"""Bit-width decay: a training that lowers the widths part by part."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import keras

from kit.errors import InputError
from kit.quantization.bit_widths import BitWidths, parse_decay
from kit.quantization.fake_quant import FakeQuant


class BitWidthDecay(keras.callbacks.Callback):
    """Lowers the widths of a network in equal parts of `fit`'s epochs.

    Each part begins with the network of the one before (bit fully convolutional networks, arXiv
    1612.00212). Widths are a function of the epoch alone, so a run that is gone on with has those
    that it would have had.

    Args:
        bit_widths: Pairs of `weight_bits` and `activation_bits`, of which none rises; the last is
            what the network was quantized to.

    Raises:
        InputError: naming the argument, also when `fit` begins, if the network or the number of
            epochs does not fit.

    Example:
        >>> options = {"policy": "qat", "weight_bits": 2, "activation_bits": 2}
        >>> network = kit.quantize(network, options, calibration=batches)
        >>> decay = kit.quantization.BitWidthDecay([(8, 8), (4, 4), (2, 2)])
        >>> network.fit(batches, epochs=30, callbacks=[decay])
    """

    def __init__(self, bit_widths: Iterable[Sequence[int]]) -> None:
        super().__init__()
        self.parts = parse_decay(bit_widths)

    def widths_at(self, epoch: int, epochs: int) -> BitWidths:
        """The widths of an epoch, 0 the first, of a training of `epochs`."""
        return self.parts[epoch * len(self.parts) // epochs]

    def begins(self, epochs: int) -> list[int]:
        """The epoch that each part of a training of `epochs` begins with, 0 the first."""
        return [-(-part * epochs // len(self.parts)) for part in range(len(self.parts))]

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Check that network and epochs suit the widths."""
        arithmetic, last = getattr(self.model, "arithmetic", None), self.parts[-1]
        have = str(arithmetic.options) if isinstance(arithmetic, FakeQuant) else "no such widths"
        if have != str(last):
            raise InputError(
                f"`bit_widths` must end with those that the network was quantized to ({have}); "
                f"received: {last}"
            )
        if self.params["epochs"] < len(self.parts):
            raise InputError(
                f"`bit_widths` must be {self.params['epochs']} pairs or fewer, one an epoch; "
                f"received: {len(self.parts)}"
            )

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Set the widths of the epoch."""
        self.model.arithmetic.set_widths(self.widths_at(epoch, self.params["epochs"]))
