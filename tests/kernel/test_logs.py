"""What libbpf says: to `logging` where anybody listens, to the exceptions always, and never to the terminal."""

from __future__ import annotations

import logging
import threading

import pytest
from sanitized import KEPT

import libbpf_cffi as bpf
from libbpf_cffi import ffi, lib

LOGGER = "libbpf_cffi.libbpf"


@pytest.fixture
def listening(caplog):
    """Listen to everything that libbpf says."""
    caplog.set_level(logging.DEBUG, LOGGER)
    return caplog


def said(caplog):
    """Level and text of what came from libbpf."""
    return [(record.levelno, record.getMessage()) for record in caplog.records if record.name == LOGGER]


@pytest.mark.every_kernel
def test_warnings_of_libbpf_are_warnings_of_logging(opened, listening):
    obj = opened("basic")
    obj.maps["raw_hits"].key_size = 0
    with pytest.raises(bpf.LibbpfError):
        obj.load()
    assert (logging.WARNING, "map 'raw_hits': failed to create: -EINVAL") in said(listening)


def test_debug_messages_of_libbpf_are_those_of_logging(opened, listening):
    opened("basic")
    assert any(level == logging.DEBUG and "loading object 'basic'" in text for level, text in said(listening))


def test_infos_of_libbpf_are_infos_of_logging(opened, listening, pins):
    opened("options", pin_root_path=pins).load()
    with pytest.raises(bpf.LibbpfError):
        bpf.Link.open(pins / "none")
    levels = {level for level, _ in said(listening)}
    assert levels <= {logging.DEBUG, logging.INFO, logging.WARNING}


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda obj, pins: obj.load(), "raw_hits"),
        (lambda obj, pins: (obj.load(), obj.maps["events"].pin(pins / "pin")), "pinned map"),
        (lambda obj, pins: (obj.load(), obj.programs["on_raw"].pin(pins / "pin")), "pinned at"),
        (lambda obj, pins: (obj.load(), obj.programs["on_raw"].attach().pin(pins / "pin")), "pinned at"),
    ],
    ids=["load", "pin a map", "pin a program", "pin a link"],
)
def test_what_a_call_that_worked_said_is_logged_when_it_returns(opened, listening, pins, call, words):
    call(opened("basic"), pins)
    assert any(words in text for _, text in said(listening))


def test_what_a_raw_call_said_is_logged_by_the_next_call(opened, listening):
    garbage = b"no ELF file" * 10
    assert not lib.bpf_object__open_mem(garbage, len(garbage), ffi.NULL)
    assert not said(listening)
    opened("basic")
    assert any("not a proper ELF object" in text for _, text in said(listening))


def test_no_message_ends_in_a_newline_or_repeats_libbpfs_name(opened, listening):
    opened("basic").load()
    assert not any(text.endswith("\n") or text.startswith("libbpf: ") for _, text in said(listening))


def test_messages_below_the_loggers_level_are_not_even_kept(opened, caplog):
    caplog.set_level(logging.WARNING, LOGGER)
    opened("basic").load()
    assert not said(caplog)


def test_an_exception_has_no_debug_messages_even_where_they_are_logged(opened, listening):
    obj = opened("basic")
    obj.maps["raw_hits"].key_size = 0
    with pytest.raises(bpf.LibbpfError) as caught:
        obj.load()
    assert len(caught.value.messages) < 10
    assert len(said(listening)) > 10


def test_messages_are_not_taken_for_format_strings(opened, listening):
    name = "100%s%n%d"
    with pytest.raises(bpf.LibbpfError):
        bpf.Link.open(f"/no/{name}")
    assert any(name in text for _, text in said(listening))


def test_text_that_is_not_utf_8_is_shown_as_it_can_be(opened, listening):
    with pytest.raises(bpf.LibbpfError) as caught:
        bpf.Link.open("/no/\udcff\udcfe")
    assert "\N{REPLACEMENT CHARACTER}" in "\n".join(caught.value.messages)


def test_a_handler_that_calls_the_package_sees_no_message_twice(opened, listening, compiled):
    logger = logging.getLogger(LOGGER)

    class Nosy(logging.Handler):
        def emit(self, record):
            bpf.Object.open(compiled("basic")).close()

    handler = Nosy(logging.WARNING)
    logger.addHandler(handler)
    try:
        obj = opened("basic")
        obj.maps["raw_hits"].key_size = 0
        with pytest.raises(bpf.LibbpfError, match="raw_hits"):
            obj.load()
    finally:
        logger.removeHandler(handler)
    assert [text for _, text in said(listening)].count("map 'raw_hits': failed to create: -EINVAL") == 1


def test_a_handler_that_raises_loses_no_link(loaded, attached):
    logger = logging.getLogger(LOGGER)

    class RaisingFilter(logging.Filter):
        def filter(self, record):
            raise ZeroDivisionError

    obj = loaded("basic")
    raising = RaisingFilter()
    logger.addFilter(raising)
    old = logger.level
    logger.setLevel(logging.DEBUG)
    try:
        with pytest.raises(ZeroDivisionError):
            for _ in range(3):
                obj.programs["on_tracepoint"].attach()
    finally:
        logger.removeFilter(raising)
        logger.setLevel(old)
    number = obj.programs["on_tracepoint"].id
    obj.close()
    assert attached(number) == []


# Nothing is printed

QUIET = """
import sys
import libbpf_cffi as bpf
for path in sys.argv[1:]:
    with bpf.Object.open(path) as obj:
        for program in obj.programs.values():
            program.log_level = 2
        try:
            obj.load()
            obj.attach()
        except bpf.LibbpfError:
            pass
"""


@pytest.mark.parametrize(
    "configuration", ["", "import logging\n", "import logging\nlogging.getLogger('libbpf_cffi')\n"]
)
@pytest.mark.parametrize("level", ["", "debug", "warn", "info", "nonsense"])
def test_nothing_is_printed_when_nothing_is_configured(python, compiled, tracefs, configuration, level):
    assert not python(configuration + QUIET, compiled("refused"), compiled("half_attachable"), LIBBPF_LOG_LEVEL=level)


def test_logging_that_is_configured_prints_as_it_is_told(python, compiled):
    printed = python(
        "import logging, sys\nlogging.basicConfig(stream=sys.stdout, format='%(name)s|%(levelname)s|%(message)s')\n"
        + QUIET,
        compiled("refused"),
    )
    assert "libbpf_cffi.libbpf|WARNING|prog 'wild_read': failed to load: -EACCES" in printed.splitlines()
    assert "DEBUG" not in printed


def test_the_package_does_not_import_logging(python, compiled, tracefs):
    code = QUIET + "print('logging' in sys.modules)"
    assert python(code, compiled("refused"), compiled("half_attachable")) == "False\n"


def test_raw_calls_print_nothing_either(python):
    assert not python(
        """
import libbpf_cffi as bpf
garbage = b"no ELF file" * 10
bpf.lib.bpf_object__open_mem(garbage, len(garbage), bpf.ffi.NULL)
""",
        LIBBPF_LOG_LEVEL="debug",
    )


@pytest.mark.slow_emulated
def test_a_library_that_says_much_to_nobody_keeps_little(python):
    kilobytes = python(
        """
import os
import libbpf_cffi as bpf
garbage = b"no ELF file" * 10
def memory():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")
def speak(times):
    for _ in range(times):
        bpf.lib.bpf_object__open_mem(garbage, len(garbage), bpf.ffi.NULL)
speak(10_000)
before = memory()
speak(50_000)
print((memory() - before) // 1024)
"""
    )
    assert int(kilobytes) < 512 + KEPT // 1024


def test_what_was_dropped_is_counted(opened, listening):
    garbage = b"no ELF file" * 10

    def speak(times):
        listening.clear()
        for _ in range(times):
            lib.bpf_object__open_mem(garbage, len(garbage), ffi.NULL)
        with pytest.raises(ValueError, match="empty"):
            bpf.Object.open("")
        return [text for _, text in said(listening)]

    speak(1)
    each = len(speak(1))
    kept = speak(10_000)
    (dropped,) = [text for text in kept if "dropped" in text]
    assert int(dropped.split()[0]) + len(kept) - 1 == 10_000 * each


# Threads


@pytest.mark.slow_emulated
def test_the_messages_of_one_thread_are_never_in_another_threads_exception(compiled, together):
    contents = compiled("basic").read_bytes()
    wrong = []

    def fail(number):
        for _ in range(40):
            with bpf.Object.open(contents, object_name=f"thread{number}") as obj:
                obj.maps["raw_hits"].key_size = 0
                try:
                    obj.load()
                except bpf.LibbpfError as error:
                    others = [other for other in range(4) if other != number]
                    text = "\n".join(error.messages)
                    if "raw_hits" not in text or any(f"thread{other}" in text for other in others):
                        wrong.append(text)

    assert together(*(lambda number=number: fail(number) for number in range(4))) == []
    assert wrong == []


def test_the_verifiers_log_of_one_thread_is_never_in_another_threads_exception(compiled, together):
    refused, long_log = compiled("refused"), compiled("long_log")
    wrong = []

    def fail(path, program, times):
        for _ in range(times):
            with bpf.Object.open(path) as obj:
                try:
                    obj.load()
                except bpf.VerifierError as error:
                    if error.program != program or "invalid mem access" not in error.log:
                        wrong.append(error)

    failures = together(
        lambda: fail(refused, "wild_read", 60),
        lambda: fail(long_log, "bad_end", 2),
        lambda: fail(refused, "wild_read", 60),
    )
    assert failures == []
    assert wrong == []


def test_a_threads_messages_go_with_the_thread(opened, listening):
    garbage = b"no ELF file" * 10

    def speak():
        lib.bpf_object__open_mem(garbage, len(garbage), ffi.NULL)

    thread = threading.Thread(target=speak)
    thread.start()
    thread.join()
    opened("basic")
    assert not any("not a proper ELF object" in text for _, text in said(listening))
