"""Files of Hugging Face repositories, through huggingface_hub: its endpoint, login, retries and proxies."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from inference_pio.errors import DownloadError, InferencePioError, WeightsNotFoundError

from .disk import disk_full, is_disk_full

if TYPE_CHECKING:
    from .reporting import Reporter
    from .source import HubSource

FOLDER_FILES = (
    "config.json",
    "generation_config.json",
    "tokenizer*",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template*",
    "vocab*",
    "merges.txt",
    "*.safetensors",
    "*.safetensors.index.json",
)
"""What a folder is made of; patterns as of fnmatch."""

NEVER = ("*/*", "*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.pickle", "*.py")
"""Sub-folders hold other formats; pickles and code are never fetched."""


def download_file(source: HubSource, staging: Path, reporter: Reporter) -> Path:
    """Fetch one file into ``staging`` and return its path.

    Raises:
        WeightsNotFoundError: No such repository, revision or file.
        DownloadError: Anything else.
    """
    from huggingface_hub import hf_hub_download

    assert source.file is not None
    with _hub_errors(source, staging), _quiet_hub(), reporter.watching(staging):
        return Path(hf_hub_download(source.repo, source.file, revision=source.revision, local_dir=staging))


def download_folder(source: HubSource, folder: Path, reporter: Reporter) -> None:
    """Fetch config, tokenizer and safetensors files of a repository into ``folder``; errors as ``download_file``."""
    from huggingface_hub import snapshot_download

    with _hub_errors(source, folder), _quiet_hub(), reporter.watching(folder):
        snapshot_download(
            source.repo,
            revision=source.revision,
            local_dir=folder,
            allow_patterns=list(FOLDER_FILES),
            ignore_patterns=list(NEVER),
        )
    if not any(folder.glob("*.safetensors")):
        raise WeightsNotFoundError(
            f"{source.repo} at {source.revision} has no safetensors files, and pickles are never loaded. "
            f"Name another revision, or a GGUF file: hf:{source.repo}/<file>.gguf"
        )


@contextmanager
def _quiet_hub() -> Iterator[None]:
    """Keep huggingface_hub from drawing, and from printing what its logger passes on anyway.

    Standard error belongs to the caller's own bar and log.
    """
    logger = logging.getLogger("huggingface_hub")
    own, logger.handlers = logger.handlers, [] if logger.propagate else logger.handlers
    try:
        with _no_bars():
            yield
    finally:
        logger.handlers = own


@contextmanager
def _no_bars() -> Iterator[None]:
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    if are_progress_bars_disabled():
        yield
        return
    disable_progress_bars()
    try:
        yield
    finally:
        enable_progress_bars()


@contextmanager
def _hub_errors(source: HubSource, staging: Path) -> Iterator[None]:
    try:
        yield
    except InferencePioError:
        raise
    except Exception as error:  # the hub's transport raises its own classes, which change with its version
        raise _translated(source, staging, error) from error


def _translated(source: HubSource, staging: Path, error: Exception) -> Exception:
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    what = f"hf:{source.repo}@{source.revision}" + (f"/{source.file}" if source.file else "")
    reason = _reason(error)
    if is_disk_full(error):
        return DownloadError(disk_full(staging, None))
    if isinstance(error, GatedRepoError):
        return DownloadError(
            f"{what} is gated: {reason}. Accept its terms on the repository's page, then log in: hf auth login"
        )
    missing = (RepositoryNotFoundError, RevisionNotFoundError, EntryNotFoundError, HFValidationError)
    if isinstance(error, missing) and not isinstance(error, LocalEntryNotFoundError):
        return WeightsNotFoundError(
            f"there is no {what}: {reason}. Check the name; a private repository needs a login: hf auth login"
        )
    return DownloadError(
        f"{what} could not be fetched: {reason}. Check the network (and HF_ENDPOINT, if set), try again."
    )


def _reason(error: BaseException) -> str:
    """Return one line: the cause's where the hub only guesses at one."""
    from huggingface_hub.errors import LocalEntryNotFoundError

    if isinstance(error, LocalEntryNotFoundError) and error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__).rstrip(".")
