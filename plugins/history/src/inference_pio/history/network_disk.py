"""Whether a file lies on a disk of the network, which other machines may write to as well."""

from __future__ import annotations

from pathlib import Path

_NETWORK = frozenset({"9p", "afs", "beegfs", "ceph", "cifs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "smb3", "smbfs"})
"""File systems, as Linux calls them."""

_MOUNTS = Path("/proc/self/mounts")


def is_on_network_disk(path: Path, mounts: Path = _MOUNTS) -> bool:
    """Whether a path lies on one; false where that cannot be told.

    Args:
        path: It need not exist.
        mounts: The table of file systems: device, place, kind and more, a line each; a later line hides an earlier one.
    """
    try:
        lines = [line.split(" ") for line in mounts.read_text("utf-8", "surrogateescape").splitlines()]
    except OSError:
        return False
    real = path.resolve()
    kind, depth = "", -1
    for fields in lines:
        place = _place(fields[1]) if len(fields) > 2 else None
        if place is not None and real.is_relative_to(place) and len(place.parts) >= depth:
            kind, depth = fields[2], len(place.parts)
    return kind in _NETWORK or kind.startswith(("fuse.sshfs", "fuse.gluster", "fuse.s3"))


def _place(written: str) -> Path:
    """Blanks and the like are written as octal numbers there."""
    for number in ("040", "011", "012", "134"):
        written = written.replace(f"\\{number}", chr(int(number, 8)))
    return Path(written)
