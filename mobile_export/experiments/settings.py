"""How an experiment is to be run."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """What a person may choose.

    Args:
        out: folder of networks and bundles; a training that is there is gone on with or used again.
        scale: one of `SCALES`.
        seed: of initial weights, data order, augmentation and draws.
        data: known data set or folder instead of the experiment's own.
    """

    out: Path
    scale: str = "full"
    seed: int = 0
    data: str | None = None

    def command(self, name: str) -> str:
        """The command that runs an experiment with these settings, but for its folders."""
        words = ["tierseg reproduce", name, "--scale", self.scale, "--seed", str(self.seed)]
        return " ".join(words + (["--data", self.data] if self.data else []))
