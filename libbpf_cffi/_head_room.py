"""Whether there are descriptors enough for what is about to be asked of the kernel."""

from __future__ import annotations

import errno
import os

from ._check import failure
from ._refusals import refused

__all__ = ["HEAD_ROOM", "check_head_room"]

HEAD_ROOM = 16
"""Descriptors that a load needs beside one a program and map: BTF, token, and libbpf's probes of the kernel."""


def check_head_room(wanted: int, action: str, what: str = "load") -> None:
    """Raise (EMFILE) when the descriptors left would not do for a load.

    Of a probe that fails for want of a descriptor libbpf concludes that the kernel lacks the feature.
    """
    # RLIMIT_NOFILE, without importing `resource`; -1 stands for none.
    limit = os.sysconf("SC_OPEN_MAX")
    try:
        # Linux 6.2 and later count them for us (fs/proc/fd.c, proc_fd_getattr()).
        used = os.stat("/proc/self/fd").st_size or len(os.listdir("/proc/self/fd"))
    except OSError as error:
        if refused(error) not in (errno.EMFILE, errno.ENFILE):
            # No /proc: nothing to count with.
            return
        used = limit
    needed = wanted + HEAD_ROOM
    if 0 <= limit < used + needed:
        state = f"{used} of {limit} file descriptors are used and this {what} may need {needed}"
        raise failure(errno.EMFILE, action, f"{state}: raise `ulimit -n`")
