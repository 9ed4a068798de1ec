"""Build libbpf_cffi; what is declarative is in pyproject.toml.

Environment variables:

LIBBPF_CFFI_SOURCE         an archive or a directory to take libbpf from, see vendor/libbpf/unpack.py
LIBBPF_CFFI_NO_DOWNLOAD    1: never use the network
LIBBPF_CFFI_SYSTEM_LIBBPF  1: link the system's libbpf (1.7 or later, by pkg-config), not the pinned one
LIBBPF_CFFI_DEV            1: warnings in our own C are errors
CC, CFLAGS, LDFLAGS, PKG_CONFIG, SOURCE_DATE_EPOCH as usual
"""

from __future__ import annotations

import importlib.util
import logging
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist
from setuptools.errors import CompileError, SetupError

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).resolve().parent
# A PEP 517 build does not put the project's folder on the path.
sys.path.insert(0, str(ROOT))

import build_dist  # noqa: E402
import build_native  # noqa: E402

PACKAGE = "libbpf_cffi"
MODULE = "libbpf_cffi._libbpf"

#: Where libbpf's sources are unpacked, seen from here.
VENDORED = "vendor/libbpf/source"

#: What BPF programs include: these of libbpf's headers go into the package.
BPF_HEADERS = (
    "bpf_core_read.h",
    "bpf_endian.h",
    "bpf_helper_defs.h",
    "bpf_helpers.h",
    "bpf_tracing.h",
    "usdt.bpf.h",
)

#: And this one, of our own.
OUR_HEADER = Path("csrc", "bpf", "libbpf_cffi.bpf.h")

#: All of them, in the package's folder `include`.
HEADERS = (*(f"bpf/{name}" for name in BPF_HEADERS), OUR_HEADER.name)

#: Commands that need libbpf's sources, be it for the licences that go into the metadata.
NEED_SOURCES = {
    "bdist",
    "bdist_wheel",
    "build",
    "build_ext",
    "develop",
    "dist_info",
    "editable_wheel",
    "egg_info",
    "install",
    "sdist",
}


def unpacker() -> ModuleType:
    """Return vendor/libbpf/unpack.py as a module; `vendor` is no package."""
    spec = importlib.util.spec_from_file_location("libbpf_unpack", ROOT / "vendor" / "libbpf" / "unpack.py")
    if spec is None or spec.loader is None:
        raise SystemExit("error: vendor/libbpf/unpack.py is missing")
    module = importlib.util.module_from_spec(spec)
    # dataclasses look their module up.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def wants_system_libbpf() -> bool:
    """Tell whether LIBBPF_CFFI_SYSTEM_LIBBPF asks for the system's libbpf."""
    return os.environ.get("LIBBPF_CFFI_SYSTEM_LIBBPF") == "1"


def prepare(commands: set[str]) -> None:
    """Unpack libbpf's sources when `commands` need them. Exits with a message when they can't be had."""
    if not commands & NEED_SOURCES:
        return
    if sys.platform != "linux":
        raise SystemExit(f"error: libbpf_cffi is for Linux: eBPF is a part of its kernel. This is {sys.platform}.")
    if wants_system_libbpf():
        if os.environ.get("LIBBPF_CFFI_SOURCE"):
            raise SystemExit("error: set one of LIBBPF_CFFI_SOURCE and LIBBPF_CFFI_SYSTEM_LIBBPF, not both")
        if "sdist" not in commands:
            return
    unpack = unpacker()
    try:
        unpack.ensure(ROOT / VENDORED)
    except (unpack.VendorError, OSError) as error:
        raise SystemExit(f"error: {error}") from error
    if "sdist" in commands and (ROOT / VENDORED / unpack.MARKER).exists():
        raise SystemExit("error: an sdist carries the pinned libbpf; unset LIBBPF_CFFI_SOURCE, which names another one")


class BuildPy(build_py):
    """Copy the Python files into a package folder that holds nothing of an earlier build."""

    def run(self) -> None:
        """Run the command."""
        if not self.editable_mode:
            shutil.rmtree(Path(self.build_lib, PACKAGE), ignore_errors=True)
        super().run()


class BuildExt(build_ext):
    """Build the extension with build_native, and put the headers for BPF programs into the package."""

    def build_extension(self, ext: Extension) -> None:
        """Generate, compile and link `ext`, each as far as it is out of date."""
        try:
            self._build(ext)
        except build_native.NativeBuildError as error:
            raise CompileError(str(error)) from error

    def _build(self, ext: Extension) -> None:
        def say(text: str) -> None:
            self.announce(text, level=logging.INFO)

        compiler: Any = self.compiler
        tools = build_native.Toolchain(compiler.compiler_so, build_native.without_rpath(compiler.linker_so))
        build_native.probe(tools)
        if wants_system_libbpf():
            uapi = f"{VENDORED}/include/uapi"
            libbpf = build_native.system_libbpf(tools, uapi if (ROOT / uapi).is_dir() else None)
        else:
            libbpf = build_native.vendored_libbpf(VENDORED)

        temp = Path(self.build_temp).absolute()
        target = Path(self.get_ext_fullpath(ext.name))
        with build_native.locked(temp):
            generated = temp / f"{MODULE}.c"
            build_native.generate(generated)
            wanted = build_native.units(tools, libbpf, generated, temp)
            build_native.compile_units(tools, wanted, say)
            linked = temp / target.name
            if build_native.link(tools, wanted, libbpf, linked):
                say(f"linked {target.name}")
            target.parent.mkdir(parents=True, exist_ok=True)
            # A new file: a process may have the old one mapped.
            target.unlink(missing_ok=True)
            shutil.copyfile(linked, target)
        target.chmod(0o755)

        headers = [ROOT / libbpf.include_dirs[0] / name for name in BPF_HEADERS]
        for folder in self._include_folders():
            build_dist.stage(headers, folder / "bpf")
            shutil.copyfile(ROOT / OUR_HEADER, folder / OUR_HEADER.name)

    def _include_folders(self) -> list[Path]:
        """Return where the headers go: the build's package, and the tree's when it is built in place."""
        folders = [Path(self.build_lib, PACKAGE, "include")]
        if self.editable_mode or self._in_place():
            folders.append(ROOT / PACKAGE / "include")
        return folders

    def _in_place(self) -> bool:
        # build_ext.run() clears `inplace` while it builds; the command line's word stays in the options.
        return bool(self.distribution.get_option_dict("build_ext").get("inplace", ("", 0))[1])

    def get_outputs(self) -> list[str]:
        """Return what the command makes in the build's folder."""
        headers = [str(Path(self.build_lib, PACKAGE, "include", name)) for name in HEADERS]
        return sorted([*super().get_outputs(), *headers])

    def get_output_mapping(self) -> dict[str, str]:
        """Return where an editable installation finds in the tree what a build makes."""
        mapping = super().get_output_mapping()
        if self.inplace:
            for name in HEADERS:
                inner = Path(PACKAGE, "include", name)
                mapping[str(Path(self.build_lib, inner))] = str(inner)
        return mapping


class Sdist(sdist):
    """Pack what MANIFEST.in names and git does not ignore, reproducibly, with the pinned libbpf."""

    def make_release_tree(self, base_dir: str, files: Any) -> None:
        """Lay out the tree; setuptools' own notes (egg-info) depend on the machine, and nobody reads them."""
        vendored = [name for name in files if Path(name).is_relative_to(VENDORED)]
        ours = build_dist.tracked(name for name in files if not Path(name).is_relative_to(VENDORED))
        wanted = sorted(name for name in {*vendored, *ours} if ".egg-info" not in name)
        shutil.rmtree(base_dir, ignore_errors=True)
        super().make_release_tree(base_dir, wanted)
        Path(base_dir, "setup.cfg").unlink(missing_ok=True)
        Path(base_dir, build_dist.EPOCH_FILE).write_text(f"{os.environ['SOURCE_DATE_EPOCH']}\n", encoding="ascii")

    def make_archive(self, base_name: Any, format: str, *_: Any, base_dir: Any = None, **__: Any) -> str:
        """Write the archive."""
        if format != "gztar":
            raise SetupError(f"the sdist is a .tar.gz; {format!r} is not reproducible")
        output = Path(f"{base_name}.tar.gz")
        build_dist.write_tar(output, Path(base_dir), int(os.environ["SOURCE_DATE_EPOCH"]))
        return str(output)


class BdistWheel(bdist_wheel):
    """Pack the wheel with fixed modes."""

    def write_wheelfile(self, *args: Any, **kwargs: Any) -> None:
        """Write WHEEL, the last file; the archive is made right after."""
        super().write_wheelfile(*args, **kwargs)
        build_dist.normalise_modes(Path(str(self.bdist_dir)))


# setuptools reads it when it packs.
os.environ["SOURCE_DATE_EPOCH"] = str(build_dist.source_date_epoch())
prepare(set(sys.argv[1:]))
setup(
    ext_modules=[Extension(MODULE, sources=[], py_limited_api=build_native.limited_api())],
    cmdclass={"build_py": BuildPy, "build_ext": BuildExt, "sdist": Sdist, "bdist_wheel": BdistWheel},
    options={"bdist_wheel": {"py_limited_api": "cp310"}} if build_native.limited_api() else {},
)
