"""Labelled images of coloured blocks, and a small network that tells the colours apart."""

import keras
import numpy as np

import kit
from kit.data import Dataset, LabelClass

SIZE = (64, 64)
CLASSES = tuple(
    LabelClass(name, color)
    for name, color in (
        ("night", (20, 20, 30)),
        ("brick", (220, 60, 50)),
        ("grass", (60, 190, 60)),
        ("water", (50, 80, 230)),
        ("snow", (235, 235, 235)),
    )
)
CONFIGURATIONS = {
    "light": "hl" + "hll" + "hlll" + "hll" + "hll" + "h" + "llls",
    "medium": "h" * 16 + "llll",
    "heavy": "h" * 16 + "bbbb",
}


class Blocks(Dataset):
    """Images of 16×16 blocks, each of the colour of its class; one row of pixels is void.

    Args:
        count: number of images.
        size: (height, width), multiples of 16.
    """

    def __init__(self, split: str = "train", count: int = 8, size: tuple[int, int] = SIZE) -> None:
        super().__init__("blocks", split, CLASSES)
        self.count, self.size = count, size

    def __len__(self) -> int:
        return self.count

    def stem(self, index: int) -> str:
        return f"{self.split}{index}"

    def label(self, index: int) -> np.ndarray:
        grid = self._rng(index).integers(0, len(CLASSES), [side // 16 for side in self.size])
        label = np.kron(grid, np.ones((16, 16))).astype(np.uint8)
        label[0] = 255
        return label

    def image(self, index: int) -> np.ndarray:
        colors = np.asarray([label.color for label in CLASSES] + [(0, 0, 0)] * 251)
        noise = self._rng(index).normal(0, 6, (*self.size, 3))
        return (colors[self.label(index)] + noise).clip(0, 255).astype(np.uint8)

    def _rng(self, index: int) -> np.random.Generator:
        return np.random.default_rng((len(self.split), index))


def small_network(seed: int = 0) -> kit.AdaptiveUNet:
    """A network of three tiers, 64×64, whose heads were fitted to the blocks' colours."""
    keras.utils.set_random_seed(seed)
    network = kit.AdaptiveUNet(
        num_classes=len(CLASSES),
        image_size=SIZE,
        width=0.35,
        decoder_widths=(16, 12, 12, 12),
        configurations=CONFIGURATIONS,
        training_record={"recipe": "fitted heads", "seed": seed, "data": "blocks"},
    )
    images, labels = _samples()
    network.recalibrate([images[:6], images[6:]])
    for stride, tier in ((4, "light"), (2, "heavy")):
        _fit_head(network, network.heads[f"stride_{stride}"], tier, images, labels)
    return network


def with_fitted_exits(network: kit.AdaptiveUNet) -> kit.AdaptiveUNet:
    """The network with early exits at strides 16 and 8, the second by entropy and edges."""
    policy = kit.search.ExitPolicy("entropy", 0.3, edge_aware=True)
    exits = [kit.Exit(17, "fcn-r2"), kit.Exit(18, "fcn-b1", policy)]
    network = network.with_exits(exits, {"heavy_exit1": 0.9, "heavy_exit2": 0.5})
    images, labels = _samples()
    network.recalibrate([images[:6], images[6:]], [t for t in network.tiers if t.exit])
    for number, head in enumerate(network.exit_heads, start=1):
        _fit_head(network, head.head.classify, f"heavy_exit{number}", images, labels)
    return network


def _samples() -> tuple[np.ndarray, np.ndarray]:
    data = Blocks("train", 12)
    images = np.stack([data.image(i) for i in range(len(data))]).astype("float32")
    return images, np.stack([data.label(i) for i in range(len(data))])


def _fit_head(
    network: kit.AdaptiveUNet,
    head: keras.layers.Layer,
    tier: str,
    images: np.ndarray,
    labels: np.ndarray,
) -> None:
    """Solves the last layer for the labels by ridge regression, which takes no training."""
    model = network.logits_model(tier)
    tensor = model.output["logits"]
    while True:  # from the output back to what the head, which serves several tiers, takes here
        layer, node, _ = tensor._keras_history
        (tensor,) = layer._inbound_nodes[node].input_tensors
        if layer is head:
            break
    features = np.asarray(keras.Model(model.inputs, tensor).predict(images, verbose=0))
    stride = labels.shape[1] // features.shape[1]
    targets = labels[:, stride // 2 :: stride, stride // 2 :: stride].reshape(-1)
    rows = features.reshape(-1, features.shape[-1])[targets < 255]
    rows = np.concatenate([rows, np.ones((len(rows), 1))], axis=1)
    wanted = 8 * (np.eye(len(CLASSES))[targets[targets < 255]] - 0.5)
    solved = np.linalg.solve(rows.T @ rows + 1e-3 * np.eye(rows.shape[1]), rows.T @ wanted)
    head.set_weights([solved[:-1].reshape(head.kernel.shape), solved[-1]])
