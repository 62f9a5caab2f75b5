"""A folder as transformers saves it: ``config.json`` and one safetensors file, or an index and its shards."""

from __future__ import annotations

from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any

from .faults import damaged
from .json_file import read_json_object
from .safetensors_file import read_safetensors

if TYPE_CHECKING:
    from .checkpoint import StoredTensor

CONFIG_NAME = "config.json"
SINGLE_NAME = "model.safetensors"
INDEX_NAME = "model.safetensors.index.json"


def read_config(folder: Path) -> tuple[dict[str, Any], str]:
    """Return the content of ``config.json`` and its ``model_type``.

    Raises:
        WeightsNotFoundError: There is none.
        CheckpointError: It is broken or names no architecture.
    """
    path = folder / CONFIG_NAME
    config = read_json_object(path)
    architecture = config.get("model_type")
    if not isinstance(architecture, str) or not architecture:
        raise damaged(path, f"model_type is {architecture!r} where the name of an architecture belongs")
    return config, architecture


def read_shards(folder: Path) -> dict[str, StoredTensor]:
    """Return the tensors that the index names, from the shards that it names.

    Raises:
        CheckpointError: The index is broken, leaves its folder, or disagrees with a shard.
    """
    index = folder / INDEX_NAME
    weight_map = _weight_map(index)
    shards: dict[str, dict[str, StoredTensor]] = {}
    for shard in sorted(set(weight_map.values())):
        shards[shard] = read_safetensors(_shard_path(index, shard))
        _check_agreement(
            index, shard, {name for name, place in weight_map.items() if place == shard}, set(shards[shard])
        )
    return {name: shards[shard][name] for name, shard in weight_map.items()}


def _weight_map(index: Path) -> dict[str, str]:
    weight_map = read_json_object(index).get("weight_map")
    if not isinstance(weight_map, dict) or not all(isinstance(shard, str) for shard in weight_map.values()):
        raise damaged(index, "weight_map is not an object of tensor and file names")
    return weight_map


def _shard_path(index: Path, shard: str) -> Path:
    """Return where a shard lies, which must be beside the index and nowhere else."""
    plain = shard == PurePosixPath(shard).name == PureWindowsPath(shard).name and "\0" not in shard
    if not plain or not shard.endswith(".safetensors"):
        raise damaged(index, f"it names the shard {shard!r}; only a .safetensors file in the same folder is possible")
    path = index.parent / shard
    if not path.exists():
        raise damaged(index, f"shard {shard!r} is missing")
    if not _stays_inside(path):
        raise damaged(index, f"shard {shard!r} is a link to {path.resolve()}, outside of the folder")
    return path


def _stays_inside(path: Path) -> bool:
    # The Hugging Face cache keeps snapshots/<revision>/<file> as links to ../../blobs/<hash>.
    folder, target = path.parent.resolve(), path.resolve()
    allowed = [folder, folder.parent.parent / "blobs"] if folder.parent.name == "snapshots" else [folder]
    return any(target.is_relative_to(place) for place in allowed)


def _check_agreement(index: Path, shard: str, promised: set[str], found: set[str]) -> None:
    for names, fault in ((promised - found, "lacks"), (found - promised, "holds, beside those the index names,")):
        if names:
            some = ", ".join(map(repr, sorted(names)[:3]))
            raise damaged(index, f"shard {shard!r} {fault} {len(names)} tensors ({some})")
