"""What to train, on which data, and how: as data."""

from __future__ import annotations

import dataclasses
import tomllib
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Self

from kit.data.slimming import Slimming
from kit.errors import InputError
from kit.layers.tail_config import TailConfig
from kit.quantization.bit_widths import parse_decay
from kit.quantization.integer_sgd import check_power_of_two
from kit.quantization.policies import POLICIES
from kit.slimming.network_slimming import NetworkSlimming

_LATER: dict[str, Any] = {
    "bit_widths": (),
    "slimming": {},
    "network_slimming": {},
    "csc": {},
    "input_sizes": (),
    "loss": "cross_entropy_dice",
    "tail": {},
    "label_size": (),
}
"""Fields that recipes did not have at first; what is written leaves them out at these values."""
_FOLDER = resources.files("kit") / "recipes"
_CHOICES = {
    "family": ("adaptive_unet", "csc_unet", "deeplab_v3", "elu_net", "fcn", "fcn_vgg16"),
    "phase": ("network", "heads"),
    "precision": POLICIES,
    "optimizer": ("adamw", "adam", "sgd"),
    "loss": ("cross_entropy_dice", "multi_level"),
}


@dataclass(frozen=True)
class Recipe:
    """One training run, read from TOML; every key is a field of this class.

    Args:
        name: Of the recipe.
        data: Known data set (`camvid`, `lgg_mri`, `street_scenes`) or folder.
        image_size: `(height, width)` at which the network runs on a device.
        crop_size: `(height, width)` of the training crops; the network is convolutional.
        epochs: Passes over the training split.
        batch_size: Images a step.
        learning_rate: Of AdamW the peak of the schedule (linear warm-up, then cosine to zero), of
            Adam that of all steps, of SGD the first.
        optimizer: `"adamw"` (arXiv 1711.05101), `"adam"` (arXiv 1412.6980), or `"sgd"`: plain
            gradient descent whose rate, a power of two, halves after a tenth, four tenths and two
            thirds of the steps, as in arXiv 2011.14504; with the precision `integer`, `IntegerSGD`.
        weight_decay: Of AdamW.
        dice_weight: Weight of the soft Dice loss beside cross-entropy, 0 or more.
        class_balance: Exponent of the median-frequency class weights; 0 for none.
        family: `"adaptive_unet"`, `"csc_unet"`, `"deeplab_v3"`, `"elu_net"`, `"fcn"` or
            `"fcn_vgg16"`.
        adaptive: `False` trains the plain U-Net.
        encoder_weights: `"imagenet"`, a file, or `None`; `${TIERSEG_WEIGHTS}/…` names a file in the
            folder of known weights.
        width: Multiplier of MobileNetV2's, VGG-16's, ELU-Net's or CSC-Unet's channels.
        decoder_widths: Channels of the decoder's stages.
        light_expansion: Of the encoder's light branches; see `AdaptiveUNet`.
        backbone: Of DeepLabV3 and FCN; see `DeepLabV3`.
        output_stride: Of DeepLabV3 and FCN.
        head_channels: Of DeepLabV3's head.
        csc: Of CSC-Unet: `unfoldings` and `where`, as of `CSCUNet`.
        initial: A trained network (`.keras`) to go on from, instead of a new one; its family, size
            and configurations are then its own.
        exits: Early exits, shallowest first: tables with `after` and `head`; those of `initial` if
            empty.
        heads: Heads to put at each point of those exits instead of theirs (`overprovision`).
        phase: `"network"` trains everything, early exits in turn if there are some; `"heads"`
            trains the heads of the early exits alone, taught by the final exit.
        head_loss: Arguments of `FilteredDistillation` in the phase of the heads.
        precision: `"float32"`, `"qat"` for quantization-aware training or `"integer"` for 8-bit
            integer training; see `kit.quantize`.
        precision_options: Of the precision `integer`, as of `IntegerOptions`, or of `qat`, as of
            `BitWidths`.
        bit_widths: With the precision `qat`, pairs of `weight_bits` and `activation_bits`, of which
            none rises: equal parts of the epochs (`BitWidthDecay`), in each of which the learning
            rate of AdamW rises and falls anew. Not in the phase of the heads, in which the trunk,
            that would lose bits too, is not trained.
        configurations: Name to vector, lightest first; the six presets if empty.
        augmentation: Arguments of `kit.data.Augmentation`.
        warm_up: Share of the steps that trains the heaviest tier alone.
        draw_weights: Relative frequency of each configuration afterwards; uniform if empty.
        distillation: Weight of the in-place distillation.
        recalibration_batches: Batches from which the BatchNorm statistics are estimated at the end;
            0 leaves the moving averages of training.
        data_options: Arguments of the data set.
        slimming: Arguments of `kit.data.Slimming`: fewer and smaller images, by their complexity;
            none if empty. Not in the phase of the heads, whose losses take no weights.
        network_slimming: Arguments of `kit.slimming.NetworkSlimming`: channels that are removed
            while the network is trained; none if empty. Not in the phase of the heads, in which the
            trunk is not trained, nor with the precision `integer`, whose state by channel is not
            followed.
        input_sizes: `(height, width)` of sizes at which the trained network runs besides
            `image_size`, larger than each. They share its weights and are not trained apart;
            `slimming` shows it smaller images.
        loss: `"cross_entropy_dice"`, or `"multi_level"` (`MultiLevelLoss`), which takes neither
            class weights nor Dice: `class_balance` and `dice_weight` must be 0. Not in the phase of
            the heads, which has a loss of its own.
        tail: Arguments of `TailConfig`: larger labels than images (J-Net, arXiv 2403.05340); none
            if empty. Of a network that has a tail (`initial`), the same. Not in the phase of the
            heads.
        label_size: With a tail, `(height, width)` of the training labels: `scale` times the crop's,
            as it is if empty; or, with a bilinear tail, the crop's: the control that trains at low
            resolution and is enlarged afterwards.
    """

    name: str
    data: str
    image_size: tuple[int, int]
    crop_size: tuple[int, int]
    epochs: int
    batch_size: int = 8
    optimizer: str = "adamw"
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    dice_weight: float = 1.0
    class_balance: float = 0.5
    family: str = "adaptive_unet"
    adaptive: bool = True
    encoder_weights: str | None = None
    width: float = 1.0
    decoder_widths: tuple[int, ...] = (192, 96, 48, 48)
    light_expansion: int | None = None
    backbone: str = "mobilenet_v2"
    output_stride: int = 8
    head_channels: int = 256
    initial: str | None = None
    exits: tuple[dict[str, Any], ...] = ()
    heads: tuple[str, ...] = ()
    phase: str = "network"
    head_loss: dict[str, Any] = field(default_factory=dict)
    precision: str = "float32"
    precision_options: dict[str, Any] = field(default_factory=dict)
    bit_widths: tuple[tuple[int, int], ...] = ()
    configurations: dict[str, str] = field(default_factory=dict)
    augmentation: dict[str, Any] = field(default_factory=dict)
    warm_up: float = 0.3
    draw_weights: dict[str, float] = field(default_factory=dict)
    distillation: float = 0.0
    recalibration_batches: int = 24
    data_options: dict[str, Any] = field(default_factory=dict)
    slimming: dict[str, Any] = field(default_factory=dict)
    network_slimming: dict[str, Any] = field(default_factory=dict)
    csc: dict[str, Any] = field(default_factory=dict)
    input_sizes: tuple[tuple[int, int], ...] = ()
    loss: str = "cross_entropy_dice"
    tail: dict[str, Any] = field(default_factory=dict)
    label_size: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for key in ("image_size", "crop_size", "decoder_widths", "exits", "heads", "label_size"):
            object.__setattr__(self, key, tuple(getattr(self, key)))
        for key, least in (("epochs", 1), ("batch_size", 1), ("recalibration_batches", 0)):
            if getattr(self, key) < least:
                raise InputError(
                    f"recipe {self.name!r}: `{key}` must be at least {least}; "
                    f"received: {getattr(self, key)}"
                )
        for key, choices in _CHOICES.items():
            if getattr(self, key) not in choices:
                raise InputError(
                    f"recipe {self.name!r}: `{key}` must be one of {', '.join(choices)}; "
                    f"received: {getattr(self, key)!r}"
                )
        if self.precision == "integer" and self.optimizer != "sgd":
            raise InputError(
                f"recipe {self.name!r}: `optimizer` must be sgd for the precision integer; "
                f"received: {self.optimizer!r}"
            )
        if self.precision_options and self.precision == "float32":
            raise InputError(
                f"recipe {self.name!r}: `precision_options` must go with the precisions qat and "
                f"integer; received: {', '.join(self.precision_options)} with {self.precision}"
            )
        object.__setattr__(self, "input_sizes", tuple(tuple(size) for size in self.input_sizes))
        self._check_bit_widths()
        self._check_slimming()
        self._check_network_slimming()
        self._check_loss()
        self._check_tail()
        if self.optimizer == "sgd":
            check_power_of_two("learning_rate", self.learning_rate)
        if self.family in ("csc_unet", "elu_net") and self.encoder_weights is not None:
            raise InputError(
                f"recipe {self.name!r}: `encoder_weights` must be left out for {self.family}, "
                f"which begins from nothing; received: {self.encoder_weights!r}"
            )
        if set(self.csc) - {"unfoldings", "where"} or (self.csc and self.family != "csc_unet"):
            raise InputError(
                f"recipe {self.name!r}: `csc` must hold `unfoldings` and `where` of csc_unet; "
                f"received: {', '.join(self.csc)} of {self.family}"
            )
        if self.heads and self.initial is None:
            raise InputError(
                f"recipe {self.name!r}: `heads` needs `initial`, the network whose exits they "
                f"replace; received: {', '.join(self.heads)}"
            )
        for key in ("warm_up", "class_balance"):
            if not 0 <= getattr(self, key) <= 1:
                raise InputError(
                    f"recipe {self.name!r}: `{key}` must be from 0 to 1; "
                    f"received: {getattr(self, key)}"
                )

    def _check_bit_widths(self) -> None:
        if not self.bit_widths:
            return
        object.__setattr__(self, "bit_widths", tuple(tuple(pair) for pair in self.bit_widths))
        parse_decay(self.bit_widths)
        if self.precision != "qat":
            raise InputError(
                f"recipe {self.name!r}: `bit_widths` must go with the precision qat; "
                f"received: {self.precision!r}"
            )
        if self.phase != "network":
            raise InputError(
                f"recipe {self.name!r}: `bit_widths` must go with the phase network; "
                f"received: {self.phase!r}, in which what loses bits is not trained"
            )
        if twice := sorted({"weight_bits", "activation_bits"} & set(self.precision_options)):
            raise InputError(
                f"recipe {self.name!r}: `precision_options` must not hold what `bit_widths` say; "
                f"received: {', '.join(twice)}"
            )
        if len(self.bit_widths) > self.epochs:
            raise InputError(
                f"recipe {self.name!r}: `bit_widths` must be {self.epochs} pairs or fewer, one an "
                f"epoch; received: {len(self.bit_widths)}"
            )

    def _check_slimming(self) -> None:
        if not self.slimming:
            return
        if self.phase != "network":
            raise InputError(
                f"recipe {self.name!r}: `slimming` must go with the phase network; "
                f"received: {self.phase!r}, whose losses take no weights"
            )
        known = {item.name for item in dataclasses.fields(Slimming)}
        if unknown := set(self.slimming) - known:
            raise InputError(
                f"recipe {self.name!r}: `slimming` must hold keys among "
                f"{', '.join(sorted(known))}; received: {', '.join(sorted(unknown))}"
            )
        Slimming(**self.slimming).sizes_of(self.crop_size)

    def _check_network_slimming(self) -> None:
        if not self.network_slimming:
            return
        slimming = NetworkSlimming.parse(self.network_slimming)
        for key, needed, why in (
            ("phase", ("network",), "which does not train the trunk"),
            ("precision", ("float32", "qat"), "whose state by channel is not followed"),
        ):
            if getattr(self, key) not in needed:
                raise InputError(
                    f"recipe {self.name!r}: `network_slimming` must go with the {key} "
                    f"{' or '.join(needed)}; received: {getattr(self, key)!r}, {why}"
                )
        if slimming.coupling and not self.slimming:
            raise InputError(
                f"recipe {self.name!r}: `network_slimming` must have a `coupling` of 0 without "
                f"`slimming`, to which it couples; received: {slimming.coupling}"
            )

    def _check_loss(self) -> None:
        if self.loss != "multi_level":
            return
        for key in ("class_balance", "dice_weight"):
            if getattr(self, key):
                raise InputError(
                    f"recipe {self.name!r}: `{key}` must be 0 for the loss multi_level, which does "
                    f"not take it; received: {getattr(self, key)}"
                )
        if self.phase != "network":
            raise InputError(
                f"recipe {self.name!r}: `loss` must be left out in the phase heads, which has a "
                f"loss of its own; received: {self.loss!r}"
            )

    def _check_tail(self) -> None:
        if not self.tail:
            if self.label_size:
                raise InputError(
                    f"recipe {self.name!r}: `label_size` must go with a `tail`; "
                    f"received: {self.label_size}"
                )
            return
        tail = TailConfig.parse(self.tail)
        if self.phase != "network":
            raise InputError(
                f"recipe {self.name!r}: `tail` must go with the phase network; "
                f"received: {self.phase!r}"
            )
        large = tuple(tail.scale * side for side in self.crop_size)
        if self.label_size in ((), large):
            return
        if tail.kind != "bilinear" or self.label_size != self.crop_size:
            raise InputError(
                f"recipe {self.name!r}: `label_size` must be {large}, {tail.scale} times "
                f"`crop_size`, or, with a bilinear tail, {self.crop_size}; "
                f"received: {self.label_size}"
            )
        if self.precision != "float32":
            raise InputError(
                f"recipe {self.name!r}: `label_size` must be {large} for the precision "
                f"{self.precision}, for a tail that is put on afterwards has no ranges; "
                f"received: {self.label_size}"
            )

    @property
    def trained_tail(self) -> TailConfig | None:
        """The tail that is there in training, if there is one."""
        is_put_on_later = self.label_size == self.crop_size
        return None if is_put_on_later or not self.tail else TailConfig.parse(self.tail)

    @property
    def policy(self) -> dict[str, Any]:
        """The policy of `kit.quantize` that the network ends in."""
        policy = {"policy": self.precision, **self.precision_options}
        if self.bit_widths:
            policy["weight_bits"], policy["activation_bits"] = self.bit_widths[-1]
        return policy

    @staticmethod
    def names() -> list[str]:
        """Names of the recipes that come with the kit."""
        return sorted(
            p.name.removesuffix(".toml") for p in _FOLDER.iterdir() if p.name.endswith(".toml")
        )

    @classmethod
    def load(cls, name: str | Path) -> Self:
        """Read a recipe of the kit by name, or a file of one's own.

        In a file, `data` that begins with a dot is relative to the folder in which the file lies.

        Raises:
            InputError: if it is missing, no TOML, or holds an unknown key.
        """
        path = Path(name)
        if path.suffix == ".toml":
            if not path.is_file():
                raise InputError(f"`RECIPE` must be a recipe's name or a TOML file; no file {path}")
            text, stem = path.read_text(encoding="utf-8"), path.stem
        elif str(name) in cls.names():
            text, stem = (_FOLDER / f"{name}.toml").read_text(), str(name)
        else:
            raise InputError(
                f"`RECIPE` must be one of {', '.join(cls.names())}, or a TOML file; "
                f"received: {str(name)!r}"
            )
        try:
            content: dict[str, Any] = {"name": stem, **tomllib.loads(text)}
        except tomllib.TOMLDecodeError as error:
            raise InputError(f"recipe {name} must be TOML: {error}") from error
        known = {item.name for item in dataclasses.fields(cls)}
        if unknown := set(content) - known:
            raise InputError(
                f"recipe {name}: keys must be among {', '.join(sorted(known))}; "
                f"received: {', '.join(sorted(unknown))}"
            )
        data = content.get("data")
        if path.suffix == ".toml" and isinstance(data, str) and data.startswith("."):
            content["data"] = str(path.parent / data)
        try:
            return cls(**content)
        except TypeError as error:
            raise InputError(f"recipe {name}: {str(error).partition(' ')[2]}") from error

    def to_dict(self) -> dict[str, Any]:
        """The recipe as plain data."""
        content = dataclasses.asdict(self)
        # Runs that were made before there were such fields are of the same recipe.
        return {
            key: value
            for key, value in content.items()
            if key not in _LATER or value != _LATER[key]
        }
