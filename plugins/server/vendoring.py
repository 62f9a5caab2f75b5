"""Renews the JavaScript libraries that the page ships and that its tests use: ``python vendoring.py PACKAGE@VERSION``.

Each folder of libraries holds a ``manifest.json``: which package of npm, which version, which files of it, and their
SHA-256. A file is taken as it is published, never edited. Needs ``npm``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
FOLDERS = (HERE / "src/inference_pio/server/page/vendor", HERE / "tests/vendor")
"""What the page ships, and what only its tests use."""


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return a folder's manifest: by package, ``version``, ``license``, ``folder`` and ``files``."""
    manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    return manifest


def differences(folder: Path) -> list[str]:
    """Say where a folder holds something other than its manifest says; empty where both agree."""
    expected = {
        f"{entry['folder']}/{Path(name).name}": digest
        for entry in read_manifest(folder).values()
        for name, digest in entry["files"].items()
    }
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    del found["manifest.json"]
    strays = [f"{name}: not in manifest.json" for name in sorted(found.keys() - expected)]
    missing = [f"{name}: missing" for name in sorted(expected.keys() - found)]
    changed = [
        f"{name}: another SHA-256 than in manifest.json"
        for name in sorted(found.keys() & expected)
        if hashlib.sha256(found[name].read_bytes()).hexdigest() != expected[name]
    ]
    return strays + missing + changed


def renew(folder: Path, package: str, version: str) -> None:
    """Fetch one version of a package, put its files in place and write their SHA-256 into the manifest."""
    manifest = read_manifest(folder)
    entry = manifest[package]
    with tempfile.TemporaryDirectory() as temporary:
        command = ["npm", "pack", "--silent", "--pack-destination", temporary, f"{package}@{version}"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        contents = members(next(Path(temporary).glob("*.tgz")), entry["files"])
    for name, content in contents.items():
        (folder / entry["folder"] / Path(name).name).write_bytes(content)
        entry["files"][name] = hashlib.sha256(content).hexdigest()
    entry["version"] = version
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def members(archive: Path, names: Mapping[str, str]) -> dict[str, bytes]:
    """Return some files of what ``npm pack`` fetched.

    Raises:
        KeyError: The package has no such file any more; say in the manifest which one takes its place.
    """
    with tarfile.open(archive) as tar:
        opened = {name: tar.extractfile(f"package/{name}") for name in names}
        return {name: file.read() for name, file in opened.items() if file is not None}


def main(arguments: Sequence[str] | None = None) -> None:
    """Renew the packages given, or fetch all again in the versions that the manifests name."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("packages", nargs="*", metavar="PACKAGE@VERSION")
    wanted = dict(given.rsplit("@", 1) for given in parser.parse_args(arguments).packages)
    for folder in FOLDERS:
        for package, entry in read_manifest(folder).items():
            if not wanted or package in wanted:
                renew(folder, package, wanted.pop(package, entry["version"]))
    if wanted:
        parser.error(f"no manifest.json has {', '.join(wanted)}")


if __name__ == "__main__":
    main()
