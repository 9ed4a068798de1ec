"""The C sink of BTF dumps keeps what libbpf prints, and says so when it could not keep all."""

from __future__ import annotations

import errno
import os
import resource
import signal

import pytest

from libbpf_cffi._libbpf import ffi, lib


@pytest.fixture
def text():
    made = lib.lbc_text__new()
    yield made
    lib.lbc_text__free(made)


@pytest.fixture
def btf():
    made = lib.btf__new_empty()
    assert lib.btf__add_int(made, b"int", 4, lib.BTF_INT_SIGNED) == 1
    yield made
    lib.btf__free(made)


@pytest.fixture
def dump(btf, text):
    made = lib.lbc_btf_dump__new(btf, text, ffi.NULL)
    assert made
    yield made
    lib.btf_dump__free(made)


def add_struct(btf, name: bytes, members: int, prefix: bytes = b"member_") -> int:
    """Add a struct of ints to `btf` and return its id."""
    type_id = lib.btf__add_struct(btf, name, 4 * members)
    for i in range(members):
        assert lib.btf__add_field(btf, prefix + b"%d" % i, 1, 32 * i, 0) == 0
    return type_id


def written(text) -> bytes:
    return bytes(ffi.buffer(text.data, text.len))


def test_a_new_text_is_empty_and_whole(text):
    assert (text.data, text.len, text.error) == (ffi.NULL, 0, 0)


def test_what_libbpf_dumps_is_in_the_text(btf, text, dump):
    assert lib.btf_dump__dump_type(dump, add_struct(btf, b"point", 2)) == 0
    assert written(text) == b"struct point {\n\tint member_0;\n\tint member_1;\n};\n\n"


def test_a_text_ends_with_nul(btf, text, dump):
    lib.btf_dump__dump_type(dump, add_struct(btf, b"point", 2))
    assert text.data[text.len] == b"\0"


def test_a_text_grows_as_far_as_the_dump(btf, text, dump):
    assert lib.btf_dump__dump_type(dump, add_struct(btf, b"wide", 30000)) == 0
    lines = written(text).splitlines()
    assert lines[1:-2] == [b"\tint member_%d;" % i for i in range(30000)]


def test_one_piece_may_be_longer_than_the_whole_text_was(btf, text, dump):
    name = b"n" * 100_000
    assert lib.btf_dump__dump_type(dump, add_struct(btf, name, 1)) == 0
    assert written(text) == b"struct " + name + b" {\n\tint member_0;\n};\n\n"


def test_dumps_follow_one_another_in_a_text(btf, text, dump):
    first, second = add_struct(btf, b"first", 1), add_struct(btf, b"second", 1)
    lib.btf_dump__dump_type(dump, first)
    lib.btf_dump__dump_type(dump, second)
    assert [line for line in written(text).splitlines() if b"struct" in line] == [b"struct first {", b"struct second {"]


def test_a_text_that_is_reset_is_empty(btf, text, dump):
    lib.btf_dump__dump_type(dump, add_struct(btf, b"point", 2))
    lib.lbc_text__reset(text)
    assert (text.len, ffi.string(text.data)) == (0, b"")


def test_a_text_that_is_reset_can_be_written_again(btf, text, dump):
    first, second = add_struct(btf, b"first", 1), add_struct(btf, b"second", 1)
    lib.btf_dump__dump_type(dump, first)
    lib.lbc_text__reset(text)
    lib.btf_dump__dump_type(dump, second)
    assert written(text).startswith(b"struct second {")


def test_values_are_dumped_to_the_text(btf, text, dump):
    data = ffi.new("int *", -7)
    assert lib.btf_dump__dump_type_data(dump, 1, data, 4, ffi.NULL) == 4
    assert written(text) == b"(int)-7"


@pytest.mark.parametrize("missing", ["btf", "text"])
def test_a_dump_of_nothing_or_to_nothing_is_refused(btf, text, missing):
    given = {"btf": btf, "text": text, missing: ffi.NULL}
    refused = lib.lbc_btf_dump__new(given["btf"], given["text"], ffi.NULL)
    assert (refused, ffi.errno) == (ffi.NULL, errno.EINVAL)


def test_no_text_may_be_reset_and_freed():
    lib.lbc_text__reset(ffi.NULL)
    lib.lbc_text__free(ffi.NULL)


def memory_in_use() -> int:
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[0]) * resource.getpagesize()


def test_a_text_that_memory_did_not_suffice_for_says_so_and_keeps_what_it_had(btf, text, dump):
    # With long names the text is cut inside one: what did not fit has left its beginning behind the end.
    unnamed = add_struct(btf, b"", 6000, prefix=b"m" * 200)
    # In a child, whose limit ends with it.
    child = os.fork()
    if child == 0:
        status = 1
        try:
            signal.alarm(60)
            lib.btf_dump__emit_type_decl(dump, unnamed, ffi.NULL)
            once = written(text)
            _, hard = resource.getrlimit(resource.RLIMIT_AS)
            resource.setrlimit(resource.RLIMIT_AS, (memory_in_use() + (1 << 20), hard))
            rounds = 1
            while not text.error and rounds < 200:
                lib.btf_dump__emit_type_decl(dump, unnamed, ffi.NULL)
                rounds += 1
            resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
            cut = written(text)
            full = text.error == -errno.ENOMEM and text.data[text.len] == b"\0"
            status = 0 if full and rounds > 1 and len(cut) >= len(once) and (once * rounds).startswith(cut) else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
