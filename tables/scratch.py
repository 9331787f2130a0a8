"""Scratch: the folder of what a worker's memory cannot hold, empty at each start."""

import shutil
import tempfile
from pathlib import Path


def begin(folder: Path) -> None:
    """Have temporary files here from now on; what a killed worker left goes."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    tempfile.tempdir = str(folder)
