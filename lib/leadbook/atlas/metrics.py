"""Names of Atlas' measurements, and what is made of them: the watch's newest points and phase 08's quarter of an
hour mean the same by a processor's share, a memory's and a disk's."""

from __future__ import annotations

CPU = tuple(f"SYSTEM_NORMALIZED_CPU_{one}" for one in ("USER", "KERNEL", "NICE", "IRQ", "SOFTIRQ", "STEAL"))
"""Percent of all processors; what waits for the disk (IOWAIT) is no work."""
MEMORY_USED, MEMORY_AVAILABLE, CONNECTIONS = "SYSTEM_MEMORY_USED", "SYSTEM_MEMORY_AVAILABLE", "CONNECTIONS"
DISK_USED, DISK_FREE = "DISK_PARTITION_SPACE_USED", "DISK_PARTITION_SPACE_FREE"
DISK_READS, DISK_WRITES = "DISK_PARTITION_IOPS_READ", "DISK_PARTITION_IOPS_WRITE"
MACHINE = (*CPU, MEMORY_USED, MEMORY_AVAILABLE, CONNECTIONS)
DISK = (DISK_USED, DISK_FREE, DISK_READS, DISK_WRITES)


def share(part: float | None, rest: float | None) -> float | None:
    """Percent that `part` is of both; None where one of them is not told, or both are nothing."""
    if part is None or rest is None or part + rest <= 0:
        return None
    return 100 * part / (part + rest)
