"""tools/vm-kernel: which kernel a name means, what is found in the cache, and what is said where there is none."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import ModuleType

TOOL = Path(__file__).resolve().parent.parent.parent / "tools" / "vm-kernel"


@pytest.fixture
def tool(tmp_path, monkeypatch) -> ModuleType:
    """Import the command, with an empty cache."""
    # No __pycache__ in tools/.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    spec = importlib.util.spec_from_loader("vm_kernel", importlib.machinery.SourceFileLoader("vm_kernel", str(TOOL)))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.CACHE = tmp_path / "kernels"
    return module


@pytest.fixture
def offline(monkeypatch, tmp_path) -> None:
    """Find no apt."""
    monkeypatch.delenv("LIBBPF_CFFI_DEBIAN_MIRROR", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))


def images(tool: ModuleType, *names: str) -> list[str]:
    """What is taken for a plain kernel among the packages of an archive."""
    apt = object.__new__(tool.Apt)
    apt.run = lambda *command: "\n".join(names)
    return apt.images()


@pytest.mark.parametrize("version", ["7.3.4+deb13", "7.0.1-1", "7"])
def test_a_version_is_meant_by_its_start(tool, version):
    assert tool.matches(version, "7")


@pytest.mark.parametrize("version", ["70.1.0", "5.7.0-1", "6.7.1"])
def test_another_version_is_not_meant(tool, version):
    assert not tool.matches(version, "7")


def test_a_version_of_two_digits_is_newer_than_one_of_one(tool):
    assert images(tool, "linux-image-6.9.12+deb13-amd64", "linux-image-6.12.3+deb13-amd64") == [
        "6.9.12+deb13", "6.12.3+deb13",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [
        "linux-image-6.12.3+deb13-cloud-amd64",
        "linux-image-6.12.3+deb13-rt-amd64",
        "linux-image-6.12-amd64",
        "linux-image-amd64",
        "linux-image-6.12.3+deb13-amd64-dbg",
    ],
)
def test_what_is_no_plain_kernel_is_left_out(tool, name):
    assert images(tool, name) == []


def test_a_path_is_the_kernel_there(tool, tmp_path):
    image = tmp_path / "vmlinuz"
    image.touch()
    assert tool.kernel(str(image)) == image


def test_a_path_without_a_kernel_is_refused(tool):
    with pytest.raises(tool.KernelError, match=r"there is no kernel \./nowhere"):
        tool.kernel("./nowhere")


@pytest.mark.parametrize("name", ["", "latest", "../7", "7 8", "-h"])
def test_a_name_that_is_no_version_is_refused(tool, name):
    with pytest.raises(tool.KernelError):
        tool.kernel(name)


@pytest.mark.parametrize("place", ["boot/vmlinuz-7.0.1-1-amd64", "usr/lib/modules/7.0.1-1-amd64/vmlinuz"])
def test_a_kernel_in_the_cache_is_found_without_apt(tool, offline, place):
    image = tool.CACHE / "7.0.1-1" / place
    image.parent.mkdir(parents=True)
    image.touch()
    (tool.CACHE / "is-7").symlink_to("7.0.1-1")
    assert tool.kernel("7") == image


def test_without_apt_a_path_is_asked_for(tool, offline):
    with pytest.raises(tool.KernelError, match="Give the path of a vmlinuz"):
        tool.kernel("7")


@pytest.mark.unsanitized("apt-get runs programs that hang when libasan is put into them")
def test_a_mirror_that_is_not_there_is_named(tool, monkeypatch, tmp_path):
    monkeypatch.setenv("LIBBPF_CFFI_DEBIAN_MIRROR", f"file:{tmp_path}/nowhere")
    # Elsewhere than on Debian it may be apt or the keys that are missed first.
    with pytest.raises(tool.KernelError, match=r"nowhere|apt-get|debian-archive-keyring"):
        tool.kernel("7")
