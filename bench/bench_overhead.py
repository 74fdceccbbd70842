"""What the program around the image operations costs: wall time of a visit against the sum of its steps.

    python bench/bench_overhead.py [--quick]

One process, one phantom visit; each step's own duration is what nipype wrote beside it. `--quick` makes the
phantom at 4 mm, where the steps are so short that everything around them weighs most.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def main() -> None:
    """Print the wall time, the sum of the steps and the overhead; time the second run too."""
    resolution = "4" if "--quick" in sys.argv[1:] else "1"
    tool = Path(sys.executable).parent
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        make = [tool / "demyelin-phantom", root / "bids", "--participants", "1", "--resolution", resolution]
        subprocess.run(make, check=True, stdout=subprocess.DEVNULL)
        command = [tool / "demyelin", root / "bids", root / "out", "participant", "--nprocs", "1"]
        command += ["--fast", "-w", root / "work"]
        wall = seconds(command)
        reports = list((root / "work").rglob("report.rst"))
        steps = [float(re.search(r"duration : ([\d.]+)", path.read_text())[1]) for path in reports]
        again = seconds(command)
    print(
        f"{len(steps)} steps, sum {sum(steps):.1f} s; wall {wall:.1f} s; overhead {wall / sum(steps) - 1:.1%}"
    )
    print(f"second run of the finished dataset: {again:.1f} s")


def seconds(command: list) -> float:
    """Run a command and return its wall time."""
    start = time.perf_counter()
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
