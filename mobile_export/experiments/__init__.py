"""Published experiments that `tierseg reproduce NAME` makes again.

Each is a module of this package with a function `run(settings: Settings) -> Results`; to add one,
write the module and name it here. Modules are imported when they are asked for.
"""

from collections.abc import Callable
from importlib import import_module

from mobile_export.experiments.results import Results, Target
from mobile_export.experiments.settings import Settings

EXPERIMENTS: dict[str, str] = {
    "bits_camvid": "bit-width decay (BFCN, arXiv 1612.00212) to 2/2 and 1/2 bits on CamVid",
    "csc_camvid": "sparse coding in a U-Net (CSC-Unet, arXiv 2108.00408) on CamVid",
    "dance_camvid": "data and network slimming (DANCE, arXiv 2107.07706) on CamVid",
    "integer_camvid": "8 bits after and in training (arXiv 2011.14504) against float32 on CamVid",
    "j_net_lgg": "J-Net (arXiv 2403.05340): tumours in 256x256 pixels from scans of 16, 32 and 64",
    "mess_camvid": "early exits (MESS, arXiv 2106.03527) for U-Net+PTA and DeepLabV3 on CamVid",
    "mess_losses": "which loss teaches the heads of early exits best, mode by mode",
    "pta_camvid": "U-Net+PTA (arXiv 2301.06358) against the plain U-Net on CamVid",
    "pta_study": "how U-Net+PTA is best trained on CamVid, one factor at a time",
}
"""Name of an experiment, which is that of its module -> what it shows."""

SCALES = ("quick", "full")
"""quick: few epochs on small images, to see that all works; full: what is reported."""

__all__ = ["EXPERIMENTS", "SCALES", "Results", "Settings", "Target", "find"]


def find(name: str) -> Callable[[Settings], Results]:
    """The function that runs an experiment.

    Args:
        name: one of `EXPERIMENTS`.
    """
    return import_module(f"mobile_export.experiments.{name}").run
