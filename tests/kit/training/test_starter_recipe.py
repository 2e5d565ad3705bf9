"""A first recipe fits the images and the number of them."""

import tomllib
from pathlib import Path

import pytest

from kit.errors import InputError
from kit.training.recipe import Recipe
from kit.training.starter_recipe import StarterRecipe


@pytest.mark.parametrize(
    ("size", "image_size", "crop_size"),
    [
        ((192, 256), (192, 256), (96, 128)),
        ((1080, 1920), (128, 224), (64, 128)),
        ((1920, 1080), (224, 128), (128, 64)),
        ((100, 2000), (64, 256), (64, 64)),
        ((512, 512), (256, 256), (128, 128)),
        ((40, 48), (64, 64), (64, 64)),
    ],
)
def test_sizes_follow_the_images_within_bounds(
    size: tuple[int, int], image_size: tuple[int, int], crop_size: tuple[int, int]
) -> None:
    recipe = StarterRecipe.of("a", {size: 5, (64, 64): 1}, 50)
    assert recipe.image_size == image_size
    assert recipe.crop_size == crop_size


@pytest.mark.parametrize(
    ("images", "batch_size", "epochs"), [(1, 1, 200), (5, 5, 200), (80, 8, 130), (100_000, 8, 10)]
)
def test_epochs_follow_the_number_of_images(images: int, batch_size: int, epochs: int) -> None:
    recipe = StarterRecipe.of("a", {(192, 256): 1}, images)
    assert (recipe.batch_size, recipe.epochs) == (batch_size, epochs)


def test_text_is_a_recipe(tmp_path: Path) -> None:
    recipe = StarterRecipe.of('my "streets"', {(192, 256): 1}, 50)
    path = tmp_path / "recipe.toml"
    path.write_text(recipe.toml(), encoding="utf-8")
    loaded = Recipe.load(path)
    assert loaded.name == 'my "streets"'
    assert (loaded.image_size, loaded.epochs) == (recipe.image_size, recipe.epochs)
    assert loaded.data == str(tmp_path)
    assert tomllib.loads(recipe.toml())["data"] == "."
    assert f"about {recipe.minutes:.0f} minutes" in recipe.toml()


def test_a_longer_training_takes_longer() -> None:
    short, long = (StarterRecipe.of("a", {(192, 256): 1}, n) for n in (80, 100_000))
    assert long.minutes > 10 * short.minutes > 0


def test_nothing_to_train_on() -> None:
    with pytest.raises(InputError, match="`train` must hold an image"):
        StarterRecipe.of("a", {(192, 256): 1}, 0)
