"""The simulator as a process, as people run it."""

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
#: For anything the machine may be slow at.
DEADLINE_S = 180


async def simulate(environ: Mapping[str, str], *options: str) -> tuple[int, str]:
    """Run it to its end; its exit code and what it said."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "simulator", *options),
        cwd=ROOT,
        env={"PATH": os.defpath, **environ},
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        _, said = await asyncio.wait_for(process.communicate(), DEADLINE_S)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, said.decode()
