"""Names with a carriage return, or what else Python takes for the end of a line, in what the kernel lists."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import threading

import pytest

import libbpf_cffi as bpf
from libbpf_cffi import _libbpf, kernel, net, probe

PR_SET_NAME = 15


@pytest.mark.usefixtures("root")
def test_a_mapped_file_may_be_called_so(tmp_path):
    copy = tmp_path / "a\rcopy\u2028.so"
    shutil.copy(_libbpf.__file__, copy)
    function = ctypes.cast(ctypes.CDLL(str(copy)).PyInit__libbpf, ctypes.c_void_p).value
    found = bpf.Symbolizer().find(function, os.getpid())
    assert (found.name, found.module) == ("PyInit__libbpf", str(copy))


def test_the_control_group_of_a_process_may_be_called_so(only, cgroup):
    folder = os.path.join(cgroup, "below\rthis")
    # With this one it is not to be mistaken.
    for each in (folder, os.path.join(cgroup, "below")):
        os.mkdir(each)
    try:
        with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:
            with open(os.path.join(folder, "cgroup.procs"), "w", encoding="ascii") as file:
                file.write(str(process.pid))
            with only("attach_cgroup", "sock_create").programs["sock_create"].attach_cgroup(str(process.pid)):
                assert len(net.attached_cgroup(folder)) == 1
    finally:
        for each in (folder, os.path.join(cgroup, "below")):
            os.rmdir(each)


@pytest.mark.needs("uprobe_multi")
def test_a_file_that_a_link_probes_may_be_called_like_what_is_said_of_another(only, tmp_path):
    path = tmp_path / "x\nlink_id:\t7\nx"
    shutil.copy(_libbpf.__file__, path)
    program = only("attach_user", "by_uprobe_multi").programs["by_uprobe_multi"]
    with program.attach_uprobe_multi(path, "PyInit__libbpf") as link:
        assert os.getpid() in [each.pid for each in kernel.holders()["link", link.info.id]]


@pytest.mark.usefixtures("root")
def test_a_mount_may_be_called_so(tmp_path):
    folder = tmp_path / "a\rb\rc"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "none", folder], check=True)
    try:
        with pytest.raises(bpf.LibbpfError) as caught:
            net.attached_cgroup(folder)
    finally:
        subprocess.run(["umount", folder], check=True)
    assert "but of a file system of type tmpfs" in caught.value.hint


@pytest.mark.parametrize("name", ["\rCapEff: 0", "\u2028CapEff:"])
def test_a_thread_may_be_called_so(name):
    found = []

    def look():
        ctypes.CDLL(None).prctl(PR_SET_NAME, name.encode(), 0, 0, 0)
        found.append(probe.capabilities())

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found == [probe.capabilities()] != [[]]
