r"""The cache of downloaded weights.

    <cache_dir>/weights/
        <key>.lock                     held by the process that fetches this entry
        <key>/
            <file or folder>           verified; never anything else under this name
            receipt.json               the sizes that were verified
            staging-<random>/          of a download that is going on, or that died

The key is the start of the file's sha256 where the manifest gives one, else of the sha256 of the source: the same bytes
are kept once, whoever asks for them. Whoever holds the lock may delete every staging folder beside it: their owners
are dead, since a lock ends with its process.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from inference_pio.file_sizes import size_of

from .disk import disk_errors
from .source import LocalSource, Source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inference_pio.manifest import WeightsEntry

logger = logging.getLogger(__name__)

FOLDER = "weights"
_RECEIPT = "receipt.json"
_STAGING = "staging-"
_KEY_LETTERS = 32
_PART_SUFFIX = re.compile(r"[.-]part-?[0-9]+$")


@dataclass(frozen=True)
class Place:
    """Where one entry is kept.

    Attributes:
        root: ``<cache_dir>/weights``.
        key: Name of the entry's folder.
        target: The file or folder itself.
        size_bytes: What the manifest promises, if it does.
    """

    root: Path
    key: str
    target: Path
    size_bytes: int | None

    @property
    def folder(self) -> Path:
        """Everything that belongs to the entry, but for the lock."""
        return self.root / self.key

    def is_filled(self) -> bool:
        """Whether the verified file or folder is there, by the sizes of its files; reads no content."""
        try:
            promised = json.loads((self.folder / _RECEIPT).read_bytes())
        except (OSError, ValueError):
            return False
        if self.size_bytes is not None and self.target.is_file() and self.target.stat().st_size != self.size_bytes:
            return False
        return bool(promised) and promised == _sizes(self.target)

    def fill(self, staged: Path) -> None:
        """Give a verified file or folder its final name, which it gets at once and whole."""
        with disk_errors(self.root):
            receipt = staged.parent / _RECEIPT
            receipt.write_text(json.dumps(_sizes(staged)))
            _flush(staged)
            remove(self.target)
            # The receipt first: a receipt without a file means "not there", a file without a receipt would be lost.
            receipt.replace(self.folder / _RECEIPT)
            staged.replace(self.target)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the entry's lock; waits for as long as another process fetches the same entry."""
        # Here and below where it is used: a checkpoint that is there already needs no lock, and no import of one.
        from filelock import FileLock, Timeout

        with disk_errors(self.root):
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.root / f"{self.key}.lock")
            try:
                lock.acquire(timeout=0)
            except Timeout:
                logger.info("another process is fetching %s; waiting for it", self.target.name)
                lock.acquire()
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def staging(self) -> Iterator[Path]:
        """Yield an empty folder on the cache's own disk, so that a rename is enough; it is gone afterwards."""
        with disk_errors(self.root):
            remove_leftovers(self.root, own=self.key)
            staging = Path(tempfile.mkdtemp(prefix=_STAGING, dir=self.folder))
        try:
            yield staging
        finally:
            remove(staging)


def place_of(entry: WeightsEntry, sources: Sequence[Source], cache_dir: Path) -> Place:
    """Return where an entry is kept, whether or not it is there."""
    texts = [entry.source] if isinstance(entry.source, str) else entry.source
    key = entry.sha256 or hashlib.sha256(json.dumps(texts).encode()).hexdigest()
    root = cache_dir / FOLDER
    folder = root / key[:_KEY_LETTERS]
    name = sources[0].file_name
    # Parts of model.gguf are called model.gguf.part00 and so on.
    name = _PART_SUFFIX.sub("", name) if len(sources) > 1 else name
    return Place(root, folder.name, folder / name, entry.size_bytes)


def is_local(sources: Sequence[Source]) -> bool:
    """Whether an entry is used where it lies: one path, nothing to join."""
    return len(sources) == 1 and isinstance(sources[0], LocalSource)


def remove_leftovers(root: Path, *, own: str) -> None:
    """Delete what dead downloads left.

    Args:
        root: ``<cache_dir>/weights``.
        own: Key whose lock the caller holds; other keys are skipped while their lock is held.
    """
    from filelock import FileLock, Timeout

    for staging in root.glob(f"*/{_STAGING}*"):
        key = staging.parent.name
        if key == own:
            remove(staging)
            continue
        try:
            with FileLock(root / f"{key}.lock", timeout=0):
                remove(staging)
        except Timeout:
            logger.debug("%s belongs to a download that is going on", staging)


def kept_weights(cache_dir: Path) -> dict[str, int]:
    """Return the size of what is kept under each key, bytes; what downloads are still busy with does not count."""
    sizes = {}
    for folder in sorted(path for path in (cache_dir / FOLDER).glob("*") if path.is_dir()):
        kept = sum(size_of(path) for path in folder.iterdir() if not path.name.startswith(_STAGING))
        if kept:
            sizes[folder.name] = kept
    return sizes


def dead_downloads(cache_dir: Path) -> list[Path]:
    """Return the staging folders whose process is gone; deletes nothing."""
    root = cache_dir / FOLDER
    return [staging for staging in sorted(root.glob(f"*/{_STAGING}*")) if not _is_locked(root, staging.parent.name)]


def _is_locked(root: Path, key: str) -> bool:
    from filelock import FileLock, Timeout

    path = root / f"{key}.lock"
    if not path.exists():  # looking leaves no file behind
        return False
    try:
        with FileLock(path, timeout=0):
            return False
    except (Timeout, OSError):  # not ours to lock: somebody else's download
        return True


def remove(path: Path) -> None:
    """Delete a file or folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _flush(staged: Path) -> None:
    """Wait until the bytes are on the disk: a name must not survive a power cut that its bytes did not."""
    files = [staged] if staged.is_file() else [file for file in staged.rglob("*") if file.is_file()]
    for path in files:
        with path.open("r+b") as file:  # Windows flushes only what may be written
            os.fsync(file.fileno())


def _sizes(target: Path) -> dict[str, int]:
    """Return the size of a file, or of all files of a folder, bytes by relative name."""
    if target.is_file():
        return {".": target.stat().st_size}
    files = (file for file in target.rglob("*") if file.is_file())
    return {file.relative_to(target).as_posix(): file.stat().st_size for file in sorted(files)}
