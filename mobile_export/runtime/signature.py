"""What a signature of a `.tflite` file takes and gives."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

_STATE = "state_"


@dataclass(frozen=True)
class Tensor:
    """Shape and type of one input or output, e.g. `uint8 (1, 352, 480, 3)`."""

    shape: tuple[int, ...]
    dtype: np.dtype

    def __str__(self) -> str:
        return f"{self.dtype} {self.shape}"


@dataclass(frozen=True)
class Signature:
    """One entry point of a `.tflite` file.

    Args:
        name: the key that it is called by.
        inputs: tensor of each input, by name.
        outputs: tensor of each output, by name.
    """

    name: str
    inputs: Mapping[str, Tensor]
    outputs: Mapping[str, Tensor]

    @property
    def is_tier(self) -> bool:
        """True if one call takes an image to a mask and its confidence, with no state of stages."""
        return set(self.inputs) == {"image"} and set(self.outputs) == {"mask", "confidence"}

    @property
    def states(self) -> dict[str, Tensor]:
        """The states that it gives for the next stage to take, by name; empty for a tier."""
        return {key: tensor for key, tensor in self.outputs.items() if key.startswith(_STATE)}

    @property
    def fault(self) -> str:
        """What of a tier's or stage's interface is off the contract, in words; empty if nothing is.

        The states of a stage are for their pair to judge, not for one signature.
        """
        missing = {"mask", "confidence"} - set(self.outputs)
        if missing:
            return f"output `{min(missing)}` is missing, got {', '.join(self.outputs)}"
        image, mask = self.inputs.get("image"), self.outputs["mask"]
        confidence = self.outputs["confidence"]
        if image and (
            image.dtype != np.uint8 or len(image.shape) != 4 or image.shape[::3] != (1, 3)
        ):
            return f"input `image` must be uint8 (1, height, width, 3), got {image}"
        if mask.dtype != np.uint8 or len(mask.shape) != 3 or mask.shape[0] != 1:
            return f"output `mask` must be uint8 (1, height, width), got {mask}"
        if confidence.dtype != np.uint8 or confidence.shape != (1,):
            return f"output `confidence` must be uint8 (1,), got {confidence}"
        return ""

    def refusal(self, inputs: Mapping[str, object]) -> str:
        """Says what of the given inputs does not fit, in words; empty if they do.

        Args:
            inputs: what shall be handed in, by name.
        """
        if inputs.keys() != self.inputs.keys():
            return (
                f"inputs must be {', '.join(sorted(self.inputs))}; "
                f"got {', '.join(sorted(inputs)) or 'none'}"
            )
        for name, tensor in self.inputs.items():
            given = inputs[name]
            if not isinstance(given, np.ndarray):
                return f"input `{name}` must be an array {tensor}, got {type(given).__name__}"
            if given.shape != tensor.shape or given.dtype != tensor.dtype:
                return f"input `{name}` must be {tensor}, got {given.dtype} {given.shape}"
        return ""
