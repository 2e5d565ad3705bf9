"""Recipes are data: what is in them is checked when they are read."""

import json
from pathlib import Path

import pytest

from kit.errors import InputError
from kit.layers import TailConfig
from kit.networks.exit import Exit
from kit.training import FilteredDistillation, Recipe

SIZES = 'data = "d"\nimage_size = [64, 64]\ncrop_size = [32, 32]\nepochs = 3\n'


@pytest.mark.parametrize("name", Recipe.names())
def test_shipped_recipe_loads(name: str) -> None:
    recipe = Recipe.load(name)
    assert recipe.name == name
    assert all(side % 32 == 0 for side in (*recipe.image_size, *recipe.crop_size))


def test_plain_differs_from_adaptive_in_nothing_else() -> None:
    adaptive, plain = (Recipe.load(name).to_dict() for name in ("camvid", "camvid_plain"))
    sampling = {"warm_up", "draw_weights", "distillation"}  # a plain network has nothing to draw
    differ = {key for key in adaptive if adaptive[key] != plain[key]}
    assert {"name", "adaptive"} <= differ <= {"name", "adaptive", *sampling}


@pytest.mark.parametrize("name", Recipe.names())
def test_shipped_exits_are_exits_of_networks(name: str) -> None:
    recipe = Recipe.load(name)
    exits = [Exit.parse(exit_) for exit_ in recipe.exits]
    assert [exit_.after for exit_ in exits] == sorted(exit_.after for exit_ in exits)
    assert recipe.phase == "network" or recipe.initial is not None
    FilteredDistillation(**recipe.head_loss)


def test_exits_and_phases_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "heads.toml"
    path.write_text(
        SIZES
        + """
family = "deeplab_v3"
backbone = "resnet50"
initial = "trained.keras"
heads = ["fcn", "deeplab-r2"]
phase = "heads"

[head_loss]
mode = "pfd_both"

[[exits]]
after = 4

[[exits]]
after = 9
head = "deeplab-r4-b1d"
policy = { measure = "entropy", pixel_threshold = 0.7 }
"""
    )
    recipe = Recipe.load(path)
    assert (recipe.family, recipe.backbone) == ("deeplab_v3", "resnet50")
    assert (recipe.initial, recipe.phase) == ("trained.keras", "heads")
    assert recipe.heads == ("fcn", "deeplab-r2")
    assert FilteredDistillation(**recipe.head_loss).mode == "pfd_both"
    first, second = (Exit.parse(exit_) for exit_ in recipe.exits)
    assert first == Exit(4)
    assert second.to_dict() == {
        "after": 9,
        "head": "deeplab-r4-b1d",
        "policy": {"measure": "entropy", "pixel_threshold": 0.7, "edge_aware": False},
    }
    # As it stands in a checkpoint, which a resumed run is compared with.
    assert json.loads(json.dumps(recipe.to_dict()))["exits"] == list(recipe.exits)


def test_own_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('data = "d"\nimage_size = [64, 96]\ncrop_size = [32, 32]\nepochs = 2\n')
    recipe = Recipe.load(path)
    assert (recipe.name, recipe.image_size, recipe.epochs) == ("mine", (64, 96), 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs = ", "must be TOML"),
        ('data = "d"\nimage_size = [64, 64]\ncrop_size = [32, 32]\nepochs = 0', "`epochs` must"),
        ('data = "d"\nimage_size = [64, 64]\ncrop_size = [32, 32]\nepoch = 3', "received: epoch"),
        ('data = "d"\nimage_size = [64, 64]\nepochs = 3', "crop_size"),
        (
            'data = "d"\nimage_size = [64, 64]\ncrop_size = [32, 32]\nepochs = 3\nwarm_up = 1.5',
            "`warm_up` must",
        ),
        (SIZES + 'family = "unet"', "`family` must be one of adaptive_unet, .* received: 'unet'"),
        (SIZES + 'heads = ["fcn"]', "`heads` needs `initial`.*; received: fcn"),
        (SIZES + 'precision = "integer"', "`optimizer` must be sgd for the precision integer"),
        (
            SIZES + "bit_widths = [[2, 2]]",
            "`bit_widths` must go with the precision qat; received: 'float32'",
        ),
        (
            SIZES + 'precision = "qat"\nbit_widths = [[2, 2], [4, 2]]',
            "`bit_widths` must not rise; received: 2/2, then 4/2",
        ),
        (
            SIZES + 'precision = "qat"\nbit_widths = [[8, 8], [4, 4], [3, 3], [2, 2]]',
            "`bit_widths` must be 3 pairs or fewer, one an epoch; received: 4",
        ),
        (
            SIZES
            + 'precision = "qat"\nbit_widths = [[2, 2]]\n[precision_options]\nweight_bits = 4',
            "`precision_options` must not hold what `bit_widths` say; received: weight_bits",
        ),
        (
            SIZES + "[precision_options]\nstrict = false",
            "`precision_options` must go with the precisions qat and integer; received: strict",
        ),
        (
            SIZES + 'optimizer = "sgd"\nlearning_rate = 0.1',
            "`learning_rate` must be a power of two, .* received: 0.1",
        ),
        (SIZES + "[slimming]\nfloor = 0", "`slimming` must hold keys among .* received: floor"),
        (SIZES + "[slimming]\nsmallest = 2", "`smallest` must be above 0 and up to 1; got 2"),
        (SIZES + "[slimming]\nmultiple = 24", "multiples of `multiple`, 24"),
        (
            SIZES + 'phase = "heads"\n[slimming]\nsizes = 2',
            "`slimming` must go with the phase network; received: 'heads'",
        ),
        (
            SIZES + "[network_slimming]\nratio = 0.5",
            "network slimming must have keys among share, scope, .* received: ratio",
        ),
        (SIZES + "[network_slimming]\nshare = 1.5", "`share` must be above 0 and below 1"),
        (
            SIZES + "[network_slimming]\nshare = 0.5\ncoupling = 0.5",
            "`coupling` of 0 without `slimming`, to which it couples; received: 0.5",
        ),
        (
            SIZES + 'phase = "heads"\n[network_slimming]\nshare = 0.5',
            "`network_slimming` must go with the phase network; received: 'heads', which",
        ),
        (
            SIZES
            + 'precision = "integer"\noptimizer = "sgd"\nlearning_rate = 0.125\n'
            + "[network_slimming]\nshare = 0.5",
            "must go with the precision float32 or qat; received: 'integer', whose state",
        ),
        (
            SIZES + "[csc]\nunfoldings = 1",
            "`csc` must hold .* received: unfoldings of adaptive_unet",
        ),
        (
            SIZES + 'family = "csc_unet"\n[csc]\ntimes = 1',
            "`csc` must hold `unfoldings` and `where` .* received: times of csc_unet",
        ),
        (
            SIZES + 'family = "csc_unet"\nencoder_weights = "imagenet"',
            "`encoder_weights` must be left out for csc_unet, which begins from nothing",
        ),
        (SIZES + 'loss = "focal"', "`loss` must be one of cross_entropy_dice, multi_level"),
        (
            SIZES + 'loss = "multi_level"',
            "`class_balance` must be 0 for the loss multi_level, .* received: 0.5",
        ),
        (
            SIZES + 'loss = "multi_level"\nclass_balance = 0',
            "`dice_weight` must be 0 for the loss multi_level, .* received: 1",
        ),
        (
            SIZES + 'loss = "multi_level"\nclass_balance = 0\ndice_weight = 0\nphase = "heads"',
            "`loss` must be left out in the phase heads",
        ),
        (SIZES + "[tail]\nscale = 3", "`scale` must be one of 2, 4, 8, 16; received: 3"),
        (SIZES + "[tail]\ntimes = 2", "`tail` must hold `scale`"),
        (
            SIZES + 'phase = "heads"\n[tail]\nscale = 2',
            "`tail` must go with the phase network; received: 'heads'",
        ),
        (
            SIZES + "label_size = [64, 64]",
            r"`label_size` must go with a `tail`; received: \(64, 64\)",
        ),
        (
            SIZES + "label_size = [32, 32]\n[tail]\nscale = 2",
            r"`label_size` must be \(64, 64\), 2 times `crop_size`, or, .* received: \(32, 32\)",
        ),
        (
            SIZES + 'label_size = [16, 16]\n[tail]\nscale = 2\nkind = "bilinear"',
            r"`label_size` must be .* with a bilinear tail, \(32, 32\); received: \(16, 16\)",
        ),
        (
            'precision = "qat"\nlabel_size = [32, 32]\n'
            + SIZES
            + '[tail]\nscale = 2\nkind = "bilinear"',
            r"`label_size` must be \(64, 64\) for the precision qat, .* received: \(32, 32\)",
        ),
        (SIZES + 'phase = "exits"', "`phase` must be one of network, heads; received: 'exits'"),
    ],
)
def test_wrong_file_is_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as error:
        Recipe.load(path)
    assert "\n" not in str(error.value)


def test_slimming_is_written_only_where_there_is_some(tmp_path: Path) -> None:
    path = tmp_path / "slim.toml"
    path.write_text(SIZES)
    assert not {"slimming", "network_slimming", "csc"} & set(Recipe.load(path).to_dict())
    path.write_text(SIZES + "[slimming]\nsmallest = 0.25")
    assert Recipe.load(path).to_dict()["slimming"] == {"smallest": 0.25}
    path.write_text(SIZES + "[network_slimming]\nshare = 0.25")
    assert Recipe.load(path).to_dict()["network_slimming"] == {"share": 0.25}


def test_what_came_later_is_written_only_where_it_is_used(tmp_path: Path) -> None:
    path = tmp_path / "tail.toml"
    path.write_text(SIZES)
    before = Recipe.load(path).to_dict()
    assert not {"tail", "label_size", "loss"} & set(before)
    path.write_text(
        'loss = "multi_level"\nclass_balance = 0\ndice_weight = 0\nlabel_size = [64, 64]\n'
        + SIZES
        + "[tail]\nscale = 2"
    )
    after = Recipe.load(path).to_dict()
    assert (after["tail"], after["label_size"], after["loss"]) == (
        {"scale": 2},
        (64, 64),
        "multi_level",
    )


def test_the_tail_of_training_is_none_on_small_labels(tmp_path: Path) -> None:
    path = tmp_path / "tail.toml"
    path.write_text(SIZES + '[tail]\nscale = 2\nkind = "bilinear"')
    assert Recipe.load(path).trained_tail == TailConfig(2, kind="bilinear")
    path.write_text("label_size = [32, 32]\n" + path.read_text())
    assert Recipe.load(path).trained_tail is None


def test_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match=f"one of {', '.join(Recipe.names())}, or"):
        Recipe.load("cityscapes")


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no file .*absent\.toml"):
        Recipe.load(tmp_path / "absent.toml")
