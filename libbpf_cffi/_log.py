"""What libbpf says: kept per thread in C (csrc/log.c), taken after a call, passed on to `logging`.

The logger is ``libbpf_cffi.libbpf``; libbpf's WARN, INFO and DEBUG are its WARNING, INFO and DEBUG. `logging`
is not imported for it: where no one has imported it no one listens, and the messages stay with the
exceptions.
"""

from __future__ import annotations

import sys

from ._ffi import ffi, lib

TYPE_CHECKING = False
if TYPE_CHECKING:
    import logging

__all__ = ["listen", "silence", "take"]

LOGGER = "libbpf_cffi.libbpf"

def _logger() -> logging.Logger | None:
    module = sys.modules.get("logging")
    if not hasattr(module, "NullHandler"):
        # Nobody has imported it, or somebody is in the middle of doing so.
        return None
    import logging

    package = logging.getLogger("libbpf_cffi")
    if not package.handlers:
        # Without one, logging's last resort would print to stderr in a program that has configured nothing.
        package.addHandler(logging.NullHandler())
    return logging.getLogger(LOGGER)


def listen(debug: bool = False) -> None:
    """Get ready for a call whose messages matter: pass on what earlier ones left, and set this thread's
    level.

    With `debug` the debug messages are taken even if no logger wants them.
    """
    take()
    logger = _logger()
    wanted = debug or (logger is not None and logger.isEnabledFor(10))
    level = lib.LIBBPF_DEBUG if wanted else lib.LIBBPF_INFO
    lib.lbc_log_set_level(level)


def silence() -> None:
    """Get ready for a call whose refusal is an answer: pass on what earlier ones left, and keep nothing from now on."""
    take()
    lib.lbc_log_set_level(-1)


def take() -> list[tuple[int, str]]:
    """Take what libbpf has said on this thread since the last time, pass it on to `logging`, and return it.

    Each message is its level (libbpf's own number, 0 is a warning) and its text.
    """
    if not lib.lbc_log_pending():
        return []
    dropped = ffi.new("unsigned int *")
    first = lib.lbc_log_take(dropped)
    try:
        messages = []
        message = first
        while message:
            raw = ffi.buffer(message.text, message.size)[:]
            text = raw.decode("utf-8", "replace").rstrip("\n")
            messages.append((message.level, text.removeprefix("libbpf: ")))
            message = message.next
    finally:
        lib.lbc_log_free(first)
    if dropped[0]:
        messages.insert(0, (lib.LIBBPF_WARN, f"{dropped[0]} earlier message(s) of libbpf were dropped"))
    logger = _logger()
    if logger is not None:
        for level, text in messages:
            number = (30, 20, 10)[level]
            if logger.isEnabledFor(number):
                logger.log(number, "%s", text)
    return messages


lib.lbc_log_install()
