"""A tiny writer of a series, killed by tests: prints the number of each snapshot that is said to be on the disk.

python watch_writer.py FOLDER [BYTES]     BYTES: no file may grow beyond it (RLIMIT_FSIZE stands for a full disk)
"""

import resource
import sys
from datetime import UTC, datetime
from pathlib import Path

from leadbook.watch.records import LiveSnapshot
from leadbook.watch.series import Series


def main() -> None:
    """Write until somebody kills us."""
    if len(sys.argv) > 2:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
    with Series(Path(sys.argv[1])) as series:
        while True:
            one = LiveSnapshot(at=datetime.now(UTC), number=series.next_number, watch="writer", interval_s=1.0,
                               readings={"sprint.leads": float(series.next_number)},
                               details={"filler": "x" * (series.next_number * 37 % 9_000)})  # fmt: skip
            if series.append(one):
                print(one.number, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
