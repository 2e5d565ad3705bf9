"""A training run on disk, so that it survives being killed at any moment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import keras
import numpy as np
from keras import ops

from kit.errors import InputError
from kit.files import replacing, write_text

_STATE = "checkpoint.json"


class Checkpoint(keras.callbacks.Callback):
    """Writes weights, optimizer and history after every epoch; resumes from them.

    `checkpoint.json` is replaced last and names the weights that belong to it: a kill between any
    two instructions leaves the previous checkpoint whole. A resumed run replays the epoch that was
    under way; as data and draws are functions of seed and step alone, it ends where an
    uninterrupted one ends, to the rounding of the backend's parallel sums.

    Args:
        folder: Of the run.
        identity: What must be equal for a run to be resumed: recipe and seed.

    Attributes:
        history: One record an epoch.
        kept: What else a resumed run goes on from, as plain data.
    """

    def __init__(self, folder: Path, identity: dict[str, Any]) -> None:
        super().__init__()
        self.folder = folder
        self.identity = json.loads(json.dumps(identity))
        self.history: list[dict[str, Any]] = []
        self.kept: dict[str, Any] = {}

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return len(self.history)

    def exists(self) -> bool:
        """Whether the folder holds a checkpoint."""
        return (self.folder / _STATE).is_file()

    @property
    def channels(self) -> dict[str, int]:
        """What `kept` of the checkpoint on disk says of the channels of a slimmed network.

        It has to be made with them, before it is restored; empty if there is no such checkpoint.

        Raises:
            InputError: as of `restore`.
        """
        return self._state().get("kept", {}).get("channels", {}) if self.exists() else {}

    def restore(self, network: keras.Model) -> None:
        """Load the checkpoint into a network that was compiled with a built optimizer.

        Raises:
            InputError: if it belongs to another recipe or seed, or is damaged.
        """
        state = self._state()
        path, weights = self.folder / _STATE, state["weights"]
        variables = _variables(network)
        try:
            with (self.folder / weights).open("rb") as stored, np.load(stored) as file:
                arrays = [file[name] for name in file.files]
        except (OSError, ValueError, BadZipFile) as error:
            raise InputError(
                f"{self.folder / weights} must be the weights of {path}; received: {error}"
            ) from error
        for variable, array in zip(variables, arrays, strict=True):
            variable.assign(array)
        self.history, self.kept = state["history"], state.get("kept", {})

    def _state(self) -> dict[str, Any]:
        """What the checkpoint says of itself."""
        path = self.folder / _STATE
        try:
            state = json.loads(path.read_text())
            identity, _, _ = state["identity"], state["history"], state["weights"]
        except (ValueError, KeyError) as error:
            raise InputError(
                f"{path} must be a checkpoint of this kit; received: {error}"
            ) from error
        if identity != self.identity:
            different = sorted(
                key
                for key in {*identity, *self.identity}
                if identity.get(key) != self.identity.get(key)
            )
            raise InputError(
                f"{path} must be a checkpoint of the same recipe and seed; it differs in "
                f"{', '.join(different)} (train without --resume, or into another folder)"
            )
        return state

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Write the checkpoint; `history` must hold this epoch's record already."""
        weights = self.folder / f"checkpoint_{epoch + 1}.npz"
        arrays = (ops.convert_to_numpy(variable) for variable in _variables(self.model))
        # Not as HDF5: that library loses the process when the disk is full.
        with replacing(weights) as partial:
            np.savez(partial, *arrays)
        state = {
            "identity": self.identity,
            "weights": weights.name,
            "history": self.history,
            "kept": self.kept,
        }
        write_text(self.folder / _STATE, json.dumps(state))
        self._remove_weights(keep=weights)

    def remove(self) -> None:
        """Delete the checkpoint of a finished run."""
        (self.folder / _STATE).unlink(missing_ok=True)
        self._remove_weights(keep=None)

    def _remove_weights(self, keep: Path | None) -> None:
        for path in self.folder.glob("checkpoint_*.npz"):
            if path != keep:
                path.unlink()


def _variables(network: keras.Model) -> list[Any]:
    """All that a step of a compiled network changes, metrics aside."""
    metrics = {id(variable) for variable in network.metrics_variables}
    own = [variable for variable in network.variables if id(variable) not in metrics]
    return [*own, *network.optimizer.variables]
