"""The Android part of the Kotlin library and the sample app compile, without a warning.

There is no Android here: `stubs/` declares what they call of it, of AndroidX and of LiteRT.
"""

import re
import tomllib
import xml.etree.ElementTree as ET
import zipfile
from pathlib import Path

import pytest

from tests.mobile_export.clients.kotlin_compiler import ANDROID

_MODULES = ("contract", "tierseg", "sample")
_ANDROID_NAME = "{http://schemas.android.com/apk/res/android}name"


@pytest.mark.clients
def test_it_compiles_against_the_stubs(library_jar: Path) -> None:
    with zipfile.ZipFile(library_jar) as jar:
        names = set(jar.namelist())
    expected = {"Segmenter", "Governor", "LiteRtRunner", "BundleAssetKt", "sample/MainActivity"}
    assert {f"io/tierseg/{name}.class" for name in expected} <= names
    assert not {name for name in names if name.startswith("org/tensorflow")}


def test_the_contract_needs_no_android() -> None:
    for path in (ANDROID / "contract").rglob("*.kt"):
        assert not re.search(r"^import (android|androidx|org\.tensorflow)", path.read_text(), re.M)


def test_no_module_ships_the_stubs() -> None:
    for module in _MODULES:
        build = (ANDROID / module / "build.gradle.kts").read_text()
        assert "stubs" not in build
        assert f'":{module}"' in (ANDROID / "settings.gradle.kts").read_text()


def test_every_library_of_the_catalogue_has_a_version() -> None:
    catalogue = tomllib.loads((ANDROID / "gradle" / "libs.versions.toml").read_text())
    builds = "".join((ANDROID / module / "build.gradle.kts").read_text() for module in _MODULES)
    for name, library in (catalogue["libraries"] | catalogue["plugins"]).items():
        assert library["version"]["ref"] in catalogue["versions"]
        if name in catalogue["libraries"]:
            assert f"libs.{name.replace('-', '.')})" in builds


def test_the_manifest_names_the_activity() -> None:
    main = ANDROID / "sample" / "src" / "main"
    manifest = ET.parse(main / "AndroidManifest.xml")
    (activity,) = manifest.iter("activity")
    path = main / "kotlin" / (activity.attrib[_ANDROID_NAME].replace(".", "/") + ".kt")
    assert f"class {path.stem} : AppCompatActivity()" in path.read_text()


def test_the_lock_names_no_registry() -> None:
    lock = (ANDROID / "package-lock.json").read_text()
    assert '"kotlin-compiler": "2.4.20"' in lock
    assert "resolved" not in lock
    assert "http" not in lock
