"""The Kotlin file that `tierseg contract` writes compiles, and holds what the bundle says."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from mobile_export.runtime import Bundle
from mobile_export.runtime.signature import Tensor
from mobile_export.runtime.tier_info import read_tiers
from tests.mobile_export.clients.android.conftest import EXITS_BUNDLE
from tests.mobile_export.clients.android.kotlin_compiler import classpath, java

pytestmark = pytest.mark.clients


def test_it_holds_what_the_bundle_says(library_jar: Path, tiny_bundle: Path) -> None:
    command = java("-cp", classpath(library_jar), "PrintContractsKt")
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    bundle = Bundle.open(tiny_bundle)
    assert bundle.metadata
    lines = [f"tiny 1 {bundle.metadata['sha256']} heavy", "light_24x32"]
    lines += [
        f"{info.name} {info.signature} {info.configuration} {info.exit or 'null'} "
        f"[{', '.join(info.stages)}] {info.input_size[0]} {info.input_size[1]} 0.6 "
        f"{'null' if info.image_threshold is None else info.image_threshold}"
        for info in read_tiers(bundle, bundle.signatures)
    ]
    for label in bundle.labels:
        red, green, blue = label.color
        lines.append(f"{label.id} {label.name} {red << 16 | green << 8 | blue}")
    for signature in Bundle.open(EXITS_BUNDLE).signatures.values():
        sides = (signature.inputs, signature.outputs, signature.states)
        lines.append(" ".join([signature.name, *map(_tensors, sides)]))
    assert printed.splitlines() == lines


def _tensors(tensors: Mapping[str, Tensor]) -> str:
    return "|".join(
        f"{name}:{item.dtype}:{'x'.join(map(str, item.shape))}"
        for name, item in sorted(tensors.items())
    )
