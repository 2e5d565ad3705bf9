"""The Kotlin file of a bundle: what stands in it, without a compiler (that is in `clients`)."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from mobile_export.contract_command import contract
from mobile_export.kotlin_contract import kotlin_contract, write_kotlin
from mobile_export.runtime import Bundle, TiersegError
from tests.tiny_bundle import THRESHOLDS, TIERS, packed, tiny_metadata


@pytest.fixture
def changed(tiny_model_bytes: bytes) -> Callable[..., Bundle]:
    """The tiny bundle with other metadata."""

    def build(**changes: Any) -> Bundle:
        metadata = tiny_metadata(tiny_model_bytes) | changes
        return Bundle.from_bytes(packed(tiny_model_bytes, metadata), "other.tflite")

    return build


def test_it_holds_the_contract(tiny_bundle: Path) -> None:
    bundle = Bundle.open(tiny_bundle)
    text = kotlin_contract(bundle, package="com.example.streets")
    assert bundle.metadata
    assert text.startswith("// Written by `tierseg contract` from tiny.tflite; do not edit.\n")
    assert "\npackage com.example.streets\n" in text
    assert "\nobject Tiny {\n" in text
    assert f'const val SHA256 = "{bundle.metadata["sha256"]}"' in text
    assert "const val DEFAULT_TIER = Tiers.HEAVY\n" in text
    for tier in TIERS:
        assert f'const val {tier.upper()} = "{tier}"\n' in text
    assert (
        'Tier("heavy_exit2", "heavy_exit2", "heavy", 2, listOf("heavy_stage1", "heavy_stage2"), '
        f"48, 64, 0.6, {THRESHOLDS['heavy_exit2']})," in text
    )
    assert 'Tier("light_24x32", "light_24x32", "light_24x32", null, listOf(), 24, 32, ' in text
    assert (
        'Signature("heavy_stage1", listOf(Tensor("image", "uint8", 1, 48, 64, 3)), '
        'listOf(Tensor("confidence", "uint8", 1), Tensor("mask", "uint8", 1, 48, 64), '
        'Tensor("state_1", "uint8", 1, 12, 16, 3), Tensor("state_2", "uint8", 1, 48, 64, 3))),'
    ) in text
    assert 'Label(0, "brick", 0xE63C3C),' in text


def test_texts_are_kotlin_texts(changed: Callable[..., Bundle]) -> None:
    label = {"id": 0, "name": '"$road" \\ größe\n\u2028\U0001f6e3\x00', "color": [1, 2, 3]}
    text = kotlin_contract(changed(name="a */ b", version='1"', labels=[label]))
    written = '"\\"\\$road\\" \\\\ größe\\u000a\\u2028\U0001f6e3\\u0000"'
    assert f"Label(0, {written}, 0x010203)," in text
    assert "/** What the bundle a * / b offers" in text
    assert 'const val NAME = "a */ b"' in text
    assert 'const val VERSION = "1\\""' in text
    assert "\nobject AB {" in text


def test_names_of_tiers_become_constants_of_their_own(changed: Callable[..., Bundle]) -> None:
    tiers = [
        {"name": name, "signature": signature}
        for name, signature in zip(("a-b", "a b", "2x", "é"), TIERS, strict=False)
    ]
    text = kotlin_contract(changed(tiers=tiers, default_tier="2x", name="360p"))
    names = re.findall(r"const val (\w+) = (\"[^\"]*\")", text.partition("object Tiers")[2])
    assert names == [("A_B", '"a-b"'), ("A_B_2", '"a b"'), ("TIER_2X", '"2x"'), ("TIER", '"é"')]
    assert "const val DEFAULT_TIER = Tiers.TIER_2X" in text
    assert "object Bundle360p {" in text


@pytest.mark.parametrize("package", ["", "Com.example", "a..b", "a-b", "a.b\n"])
def test_a_bad_package_is_refused(tiny_bundle: Path, package: str) -> None:
    with pytest.raises(TiersegError, match=r"`package` must be like io\.tierseg\.bundles"):
        kotlin_contract(Bundle.open(tiny_bundle), package=package)


def test_an_unknown_default_is_refused(changed: Callable[..., Bundle]) -> None:
    with pytest.raises(TiersegError, match=r"`default_tier` must be one of light, .*; got 'best'"):
        kotlin_contract(changed(default_tier="best"))


def test_a_bundle_without_metadata_is_refused(tiny_model_bytes: bytes, tmp_path: Path) -> None:
    path = tmp_path / "bare.tflite"
    path.write_bytes(tiny_model_bytes)
    with pytest.raises(TiersegError, match=r"bare\.tflite must be a bundle with metadata\.json"):
        write_kotlin(path, tmp_path / "Bare.kt")
    assert [item.name for item in tmp_path.iterdir()] == ["bare.tflite"]


def test_another_ending_is_refused(tiny_bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(TiersegError, match=r"the Kotlin file must end in \.kt; got '.*Tiny\.java'"):
        write_kotlin(tiny_bundle, tmp_path / "Tiny.java")


def test_the_verb_writes_it(tiny_bundle: Path, tmp_path: Path) -> None:
    out = tmp_path / "src" / "Tiny.kt"
    words = [str(tiny_bundle), "--kotlin", str(out), "--package", "a.b", "--json"]
    done = CliRunner().invoke(contract, words, catch_exceptions=False)
    assert json.loads(done.stdout) == {"bundle": str(tiny_bundle), "kotlin": str(out)}
    expected = kotlin_contract(Bundle.open(tiny_bundle), package="a.b")
    assert out.read_text(encoding="utf-8") == expected
    assert [item.name for item in out.parent.iterdir()] == ["Tiny.kt"]
