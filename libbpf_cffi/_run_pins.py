"""Pins that the command makes, and takes away again if it does not come to the end."""

from __future__ import annotations

import errno
import os

import libbpf_cffi as bpf
from libbpf_cffi import tracefs

from ._run_options import UsageError, object_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ._run_io import Reporter, Stopper
    from ._run_options import Options

__all__ = ["Pins"]


def _on_bpffs(folder: str) -> bool:
    """Tell whether `folder`, which may not exist yet, is or would be in a BPF file system."""
    here = os.path.abspath(folder)
    while not os.path.lexists(here):
        here = os.path.dirname(here)
    return tracefs.is_bpffs(here)


class Pins:
    """The pins of one run: in `folder`, and those of maps that are declared with ``LIBBPF_PIN_BY_NAME``."""

    def __init__(self, folder: str | None) -> None:
        self.folder = None if folder is None else os.path.abspath(folder)
        self._made: list[str] = []
        self._folders: list[str] = []

    def prepare(
        self, objects: Mapping[str, bpf.Object], options: Options, stopper: Stopper, report: Reporter
    ) -> None:
        """Find or make the BPF file system that pins need, and remember what is pinned already."""
        for obj in objects.values():
            self._expect(obj)
        folder = self.folder
        if folder is None:
            folder = tracefs.BPFFS
        elif len({object_name(path) for path in objects}) < len(objects):
            raise UsageError("two objects have the same name, so their pins would mix: pin one at a time")
        if _on_bpffs(folder):
            return
        if not options.no_mount and f"{folder}/".startswith(f"{tracefs.BPFFS}/"):
            with stopper:
                stopper.check()
                mounted = tracefs.mount_bpffs(tracefs.BPFFS)
            report.fact(f"mounted a BPF file system at {mounted}")
        if self.folder is not None and not _on_bpffs(folder):
            advice = f"pins live in a BPF file system, which this is not (mount -t bpf bpf {tracefs.BPFFS})"
            raise OSError(errno.EINVAL, advice, folder)

    def _expect(self, obj: bpf.Object) -> None:
        """Remember which maps the load will pin by their names: those that are not there yet."""
        for each in obj.maps.values():
            if each.pin_path is not None and not os.path.lexists(each.pin_path):
                self._made.append(each.pin_path)

    def pin_loaded(self, obj: bpf.Object, folder: str) -> None:
        """Pin the programs that are loaded and the maps that were made."""
        for program in obj.programs.values():
            if program.autoload:
                self._pin(program.pin, os.path.join(folder, "programs", program.name))
        for each in obj.maps.values():
            # One that its object pins by name is pinned, and libbpf gives a map no second pin.
            if each.autocreate and each.pin_path is None:
                # A BPF file system allows no dots, which data sections' names have; libbpf writes "_", too.
                self._pin(each.pin, os.path.join(folder, "maps", each.name.replace(".", "_")))

    def pin_links(self, links: Mapping[str, bpf.Link | bpf.SocketProgram], folder: str) -> None:
        """Pin the links: what they attach stays attached."""
        for name, link in links.items():
            # What is no link has been refused with --pin.
            assert isinstance(link, bpf.Link)
            self._pin(link.pin, os.path.join(folder, "links", name))

    def _pin(self, pin: Callable[[str], None], path: str) -> None:
        if os.path.lexists(path):
            raise FileExistsError(
                errno.EEXIST,
                f"something is pinned there already; remove it (rm {path}) or pin in another folder",
                path,
            )
        missing = []
        folder = os.path.dirname(path)
        while not os.path.lexists(folder):
            missing.append(folder)
            folder = os.path.dirname(folder)
        self._folders += reversed(missing)
        # First, so that no signal can come between the pin and its entry.
        self._made.append(path)
        pin(path)

    def undo(self) -> list[str]:
        """Remove the pins and the folders made for them; return those that could not be, and why."""
        trouble = []
        for remove, paths in ((os.unlink, self._made), (os.rmdir, self._folders)):
            while paths:
                path = paths.pop()
                try:
                    remove(path)
                except OSError as error:
                    if error.errno not in {errno.ENOENT, errno.ENOTDIR}:
                        trouble.append(f"{path}: {error.strerror}")
        return trouble
