"""The whole way of a person's own folder, by the verbs that each verb names next."""

import json
import re
import shlex
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from kit.commands import init, train
from mobile_export.commands import export, verify
from mobile_export.runtime.commands import segment
from tests.kit.own_folders import rectangles, write_own

VERBS: dict[str, click.Command] = {
    "init": init,
    "train": train,
    "export": export,
    "verify": verify,
    "segment": segment,
}
TWO_TIERS = """
[configurations]
light = "hlhhlhlllhhlhhlhllls"
heavy = "hhhhhhhhhhhhhhhhbbbb"
"""
"""Of six, for each takes seconds to trace and to convert."""


def run(words: list[str]) -> Result:
    """One verb, which must succeed."""
    result = CliRunner().invoke(VERBS[words[0]], words[1:], standalone_mode=False)
    assert result.exception is None, result.output
    assert not result.return_value, result.output
    return result


def following(result: Result) -> list[str]:
    """The command that a verb's last line names."""
    last = result.stderr.rstrip().splitlines()[-1]
    found = re.search(r"Next: tierseg ([^()]*)", last)
    assert found, last
    return shlex.split(found.group(1))


@pytest.mark.long
@pytest.mark.timeout(900)
def test_each_verb_names_the_next_one_and_the_masks_are_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_own(Path("my data"), rectangles(16, size=(64, 64)))

    begun = run(["init", "my data", "--json"])
    assert json.loads(begun.stdout)["splits"]["train"] >= 8
    recipe = tmp_path / "my data/recipe.toml"
    recipe.write_text(recipe.read_text() + TWO_TIERS)

    words = following(begun)
    assert words == ["train", "my data/recipe.toml"]
    trained = run([*words, "--epochs", "12", "--validate-every", "0", "--json"])
    told = json.loads(trained.stdout)
    assert told["tiers"] == ["light", "heavy"]
    assert told["network"] == "runs/my_data/network.keras"

    words = following(trained)
    assert words[0] == "export"
    exported = run([*words, "--min-agreement", "0.5", "--json"])
    bundle = Path(json.loads(exported.stdout)["bundle"])
    assert bundle == Path("runs/my_data/my_data.tflite")

    words = following(exported)
    assert words[0] == "verify"
    verified = run([*words, "--min-agreement", "0.5"])
    assert verified.stdout.rstrip().endswith("fulfils the contract")
    assert following(verified) == ["benchmark", str(bundle), "--record"]

    image = "my data/images/000.png"
    shown = run(["segment", str(bundle), image, "--tier", "heavy", "--out", "masks", "--json"])
    assert following(shown) == ["demo", str(bundle)]
    mask = np.asarray(Image.open("masks/000_mask.png"))
    label = np.asarray(Image.open("my data/labels/000.png"))
    assert mask.shape == label.shape
    assert (mask == label).mean() > 0.7
