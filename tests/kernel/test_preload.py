"""After `preload` a process that reads no file any more goes on: nothing is imported later."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.unsanitized("LeakSanitizer wants /proc when a process ends, and waits for it for ever")

SCRIPT = """
import os, sys, tempfile
import libbpf_cffi as bpf

with bpf.Object.open(sys.argv[1]) as obj:
    obj.load()
    link = obj.programs["on_raw"].attach()
    if "preload" in sys.argv:
        bpf.preload()
    before = set(sys.modules)
    folder = tempfile.mkdtemp()
    os.chdir(folder)
    os.rmdir(folder)
    os.chroot(".")
    os.getppid()
    assert "evnts" not in obj.maps
    try:
        obj.maps["evnts"]
    except KeyError as error:
        assert "'events'" in str(error), error
    with obj.maps["events"].ring_buffer() as reader:
        reader.read(timeout=0)
    with bpf.Map.create("queue", None, "u32", 1) as queue:
        queue.push(5)
        assert queue.pop() == 5
    assert os.getpid() in obj.maps["raw_hits"].to_dict()
    for each in obj.programs.values():
        each.disassemble()
    try:
        bpf.Map.create("hsah", "u32", "u32", 1)
    except (ValueError, bpf.Error) as error:
        assert "close names: hash" in str(error), error
    link.close()
    print(sorted(set(sys.modules) - before))
"""


@pytest.mark.every_kernel
def test_after_preload_all_works_in_an_empty_root(root, python, compiled):
    assert python(SCRIPT, compiled("basic"), "preload").strip() == "[]"


def test_without_preload_it_does_not(root, python, compiled):
    with pytest.raises(AssertionError, match="ModuleNotFoundError"):
        python(SCRIPT, compiled("basic"))
