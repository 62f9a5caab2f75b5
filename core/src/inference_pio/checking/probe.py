"""The first lines of the process that ``check --import`` imports a plugin in; run as a file by an isolated Python.

An isolated interpreter ignores ``PYTHONPATH`` and the folder it is started in, so the search path comes with the job:
what is imported here is what the checked target holds, and the same host.
"""

import json
import sys


def main() -> None:
    """Take the search path from the job's file, then do the job."""
    with open(sys.argv[1], encoding="utf-8") as file:  # noqa: PTH123 - the search path is not set yet
        job = json.load(file)
    sys.path[:] = job["path"]
    import inference_pio
    from inference_pio.checking.import_session import run_session

    # The host's own folder comes first among those of its package; an installed version of the target may lie in it.
    ours = [f"{folder}/{inference_pio.__name__}" for folder in job["target"]]
    inference_pio.__path__ = [*ours, *(folder for folder in inference_pio.__path__ if folder not in ours)]
    run_session(job)


if __name__ == "__main__":
    main()
