"""``open_checkpoint``: what a path is, and who reads it."""

from __future__ import annotations

from pathlib import Path

from inference_pio.errors import WeightsNotFoundError

from .checkpoint import Checkpoint, StoredTensor
from .faults import damaged, unsupported
from .gguf_file import MAGIC, GgufFile
from .gguf_split import read_gguf_set, split_key
from .safetensors_file import read_safetensors
from .safetensors_folder import INDEX_NAME, SINGLE_NAME, read_config, read_shards

PICKLE_SUFFIXES = frozenset({".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle"})
_POINTER = b"version https://git-lfs"


def open_checkpoint(path: Path) -> Checkpoint:
    """Open a checkpoint; headers are read and checked whole, tensors stay on disk.

    Args:
        path: A ``.gguf`` file (of a split set, the first), a ``.safetensors`` file with a ``config.json`` beside it, or
            a folder with ``config.json`` and safetensors files, or with exactly one GGUF model.

    Raises:
        WeightsNotFoundError: There is nothing at ``path``, or no checkpoint in the folder.
        CheckpointError: The checkpoint is damaged, unsupported, or would have to be unpickled.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        return _open_folder(path)
    if not path.exists():
        raise WeightsNotFoundError(f"no checkpoint at {path}. Check the path.")
    return _open_file(path)


def _open_file(path: Path) -> Checkpoint:
    if path.suffix in PICKLE_SUFFIXES:
        raise _pickle(path)
    start = _first_bytes(path)
    if start.startswith(_POINTER):
        raise unsupported(
            path, "it is a Git LFS pointer, not the weights", "Fetch the real file: git lfs pull, or inference-pio pull"
        )
    if start.startswith(MAGIC) or path.suffix == ".gguf":
        return _gguf_checkpoint(path, path)
    if path.suffix == ".safetensors":
        return _safetensors_checkpoint(path, path.parent, read_safetensors(path))
    raise unsupported(
        path, "it is neither GGUF nor safetensors", "Give a .gguf file, a .safetensors file, or a folder with one."
    )


def _open_folder(folder: Path) -> Checkpoint:
    if (folder / SINGLE_NAME).exists():
        return _safetensors_checkpoint(folder, folder, read_safetensors(folder / SINGLE_NAME))
    if (folder / INDEX_NAME).exists():
        return _safetensors_checkpoint(folder, folder, read_shards(folder))
    files = sorted(file for file in folder.iterdir() if file.is_file())
    tensors = [file for file in files if file.suffix == ".safetensors"]
    if len(tensors) == 1:
        return _safetensors_checkpoint(folder, folder, read_safetensors(tensors[0]))
    if tensors:
        raise damaged(folder / INDEX_NAME, f"it is missing beside {len(tensors)} safetensors files")
    models = [file for file in files if file.suffix == ".gguf"]
    if models:
        return _gguf_checkpoint(folder, _only_model(folder, models))
    pickled = next((file for file in files if file.suffix in PICKLE_SUFFIXES), None)
    if pickled is not None:
        raise _pickle(pickled)
    raise WeightsNotFoundError(
        f"no checkpoint in {folder}. A folder holds config.json and *.safetensors, or one .gguf file."
    )


def _only_model(folder: Path, models: list[Path]) -> Path:
    if len({split_key(model) for model in models}) > 1:
        names = ", ".join(model.name for model in models[:5])
        raise unsupported(folder, f"it holds several GGUF models ({names})", "Give the path of one of them.")
    return models[0]


def _gguf_checkpoint(path: Path, first: Path) -> Checkpoint:
    file = read_gguf_set(first)
    return Checkpoint(
        path,
        format="gguf",
        architecture=_architecture(file),
        metadata=file.metadata,
        config=None,
        stored=file.tensors,
    )


def _architecture(file: GgufFile) -> str:
    architecture = file.metadata.get("general.architecture")
    if not isinstance(architecture, str) or not architecture:
        raise damaged(file.path, f"general.architecture is {architecture!r} where the name of one belongs")
    return architecture


def _safetensors_checkpoint(path: Path, folder: Path, stored: dict[str, StoredTensor]) -> Checkpoint:
    config, architecture = read_config(folder)
    return Checkpoint(path, format="safetensors", architecture=architecture, metadata={}, config=config, stored=stored)


def _first_bytes(path: Path) -> bytes:
    if not path.is_file():  # opening a pipe would wait for a writer for ever
        return b""
    try:
        with path.open("rb") as file:
            return file.read(len(_POINTER))
    except OSError as error:
        raise unsupported(path, f"it cannot be read: {error.strerror or error}", "Check its permissions.") from error


def _pickle(path: Path) -> Exception:
    return unsupported(
        path,
        "it is a pickle, which can run any code and is never loaded",
        "Convert it where you trust it: load it with transformers and save_pretrained(..., safe_serialization=True).",
    )
