"""Codes of ``lock`` and ``verify``: how an installation differs from its lock file or from its own RECORD."""

from __future__ import annotations

from . import Code, CodeTable

_REINSTALL = "Reinstall the distribution: `pip install --force-reinstall --no-deps NAME==VERSION`."
_LOCK_AGAIN = "If the change is meant, lock again: `inference-pio lock`."

TABLE = CodeTable(
    title="Lock and verify",
    about="`lock` and `verify` report these of installed files; all but those of severity info end with exit code 1.",
    codes=(
        Code(
            "file-changed",
            "error",
            "An installed file has other bytes than the lock file or RECORD says. The message says which of the two: a "
            "file that agrees with RECORD and not with the lock was changed together with RECORD, or comes from "
            "another build of the same version.",
            f"{_REINSTALL} If you changed the file yourself and want to keep it: `inference-pio lock --force`.",
        ),
        Code("file-missing", "error", "A file that was installed is no longer there.", _REINSTALL),
        Code(
            "file-extra",
            "error",
            "A file or link lies in a folder of the distribution, and no distribution's RECORD lists it. Python may "
            "import it, even in place of a file that is listed.",
            "Look where it comes from, and delete it if nobody needs it.",
        ),
        Code(
            "file-foreign",
            "error",
            "A file lies inside a plugin's package and belongs to another distribution, which can thus replace the "
            "plugin's modules.",
            "Uninstall the distribution that the message names, or ask its author to use a package of its own.",
        ),
        Code(
            "file-not-locked",
            "error",
            "RECORD lists a file that the lock file does not have, although the version is the locked one.",
            f"{_REINSTALL} {_LOCK_AGAIN}",
        ),
        Code(
            "file-unreadable",
            "error",
            "A file cannot be read, or is not a file (a folder, a pipe, a device), so nothing can be said of it.",
            "Give yourself the right to read it, or reinstall the distribution.",
        ),
        Code(
            "hash-missing",
            "warning",
            "RECORD gives no usable hash for a file that should have one (sha256 or longer).",
            "Reinstall the distribution with pip, which records the hash of every file.",
        ),
        Code(
            "path-outside",
            "error",
            "RECORD or the lock file lists a path that leads out of the environment, by `..` or over a link. It is not "
            "read.",
            "Do not use a distribution that does this without knowing why. Installers that link files into the "
            "environment (`uv --link-mode=symlink`) do it too: install with copies or hard links.",
        ),
        Code(
            "record-missing",
            "error",
            "The distribution has no RECORD, so nobody knows which files belong to it. Operating systems' packages and "
            "very old installers leave it out.",
            "Install it with pip into an environment of its own.",
        ),
        Code(
            "record-broken",
            "error",
            "RECORD cannot be read, is not a table of path, hash and size, says two things of one file, or is larger "
            "than 50 MB.",
            _REINSTALL,
        ),
        Code(
            "launcher-changed",
            "error",
            "A command that the installer wrote does something else than call its entry point with this environment's "
            "Python.",
            _REINSTALL,
        ),
        Code(
            "bytecode-changed",
            "error",
            "A `.pyc` file that Python would run in place of a source file is not what this source compiles to.",
            "Delete the file; Python writes it again from the source. Then ask who wrote it.",
        ),
        Code(
            "bytecode-unchecked",
            "warning",
            "A `.pyc` file tells Python never to compare it with its source, so that a change of the source has no "
            "effect.",
            "Delete the file; Python writes an ordinary one from the source.",
        ),
        Code(
            "module-elsewhere",
            "error",
            "Python would import the plugin's module from a file that does not belong to its distribution: another "
            "folder comes first on the search path. What was verified is not what would run.",
            "Take the other folder out of `PYTHONPATH`, or uninstall what put the file there.",
        ),
        Code(
            "not-verifiable",
            "error",
            "The distribution is an editable install, or does not lie in a folder: its code can change at any time, "
            "and no RECORD describes it.",
            "Install it from a wheel: `pip install ./FOLDER` instead of `pip install -e ./FOLDER`. To accept editable "
            "installs: `inference-pio verify --allow-editable`.",
        ),
        Code("version-changed", "error", "Another version is installed than the locked one.", _LOCK_AGAIN),
        Code(
            "origin-changed",
            "error",
            "The distribution was installed from somewhere else than when it was locked: another archive, commit or "
            "folder, or from a URL in place of the index.",
            f"Install it from where it came from before. {_LOCK_AGAIN}",
        ),
        Code(
            "entry-point-changed",
            "error",
            "A plugin's entry point was added, removed, or names another function.",
            f"{_REINSTALL} {_LOCK_AGAIN}",
        ),
        Code(
            "manifest-changed",
            "error",
            "A plugin's manifest is another one than the locked one, or cannot be found or read any more.",
            f"{_REINSTALL} {_LOCK_AGAIN}",
        ),
        Code(
            "not-locked",
            "error",
            "A distribution that the lock file should cover is installed and not in it: a plugin was added.",
            f"Uninstall it. {_LOCK_AGAIN}",
        ),
        Code(
            "not-installed",
            "error",
            "A distribution is in the lock file and not installed.",
            f"Install it in the locked version. {_LOCK_AGAIN}",
        ),
        Code(
            "environment-differs",
            "info",
            "Python, the platform or the host's API differ from where the lock file was written. Wheels for another "
            "platform hold other files, so differences may come from this.",
            "Lock and verify on one platform, or keep one lock file for each.",
        ),
        Code(
            "installer-differs",
            "info",
            "Another installer put the distribution in place than when it was locked.",
            "Nothing needs to be done: the files are compared all the same.",
        ),
    ),
)
