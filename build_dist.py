"""Make two builds of one commit give the same bytes.

A wheel and an sdist hold times, modes and owners that differ between machines and moments. Times come from
SOURCE_DATE_EPOCH (https://reproducible-builds.org/specs/source-date-epoch/); the rest is set to fixed values
here.
"""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).resolve().parent

#: In the sdist: the SOURCE_DATE_EPOCH that it was made with, so that a wheel built from it is the checkout's.
EPOCH_FILE = "SOURCE_DATE_EPOCH"

#: 1980-01-01, the earliest that a zip file can say, for a tree that knows no better.
_NO_DATE = 315532800


def source_date_epoch(root: Path = ROOT) -> int:
    """Return the time of the sources: the environment's, the sdist's, that of git's last commit, or 1980."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given:
        return int(given)
    recorded = root / EPOCH_FILE
    if recorded.exists():
        return int(recorded.read_text(encoding="ascii"))
    try:
        return int(_git(root, "log", "-1", "--format=%ct"))
    except (OSError, ValueError, subprocess.SubprocessError):
        return _NO_DATE


def tracked(files: Iterable[str], root: Path = ROOT) -> list[str]:
    """Return those of `files` that git does not ignore; all of them where there is no git checkout."""
    files = list(files)
    try:
        known = set(_git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0"))
    except (OSError, subprocess.SubprocessError):
        return files
    return [name for name in files if Path(name).as_posix() in known]


def _git(root: Path, *arguments: str) -> str:
    """Return what git says of the checkout that is `root` itself, not of one that happens to be around it."""
    if not (root / ".git").exists():
        raise FileNotFoundError(f"{root} is not a git checkout")
    done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout


def write_tar(output: Path, folder: Path, epoch: int) -> None:
    """Write `folder` into the .tar.gz `output`: names sorted, owners 0, modes 644 or 755, one time."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    output.parent.mkdir(parents=True, exist_ok=True)
    with (
        open(output, "wb") as file,
        gzip.GzipFile(filename="", fileobj=file, mode="wb", compresslevel=9, mtime=epoch) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for path in paths:
            member = tarfile.TarInfo((folder.name / path.relative_to(folder)).as_posix())
            member.size = path.stat().st_size
            member.mtime = epoch
            member.mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
            with open(path, "rb") as content:
                archive.addfile(member, content)


def normalise_modes(folder: Path) -> None:
    """Make files 644, and 755 what must be executable, so that the builder's umask leaves no trace."""
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(0o755 if path.suffix == ".so" else 0o644)


def stage(sources: Iterable[Path], folder: Path) -> None:
    """Make `folder` hold a copy of each of `sources` and nothing else; what is right is not touched."""
    wanted = {path.name: path.read_bytes() for path in sources}
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        if path.name not in wanted:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    for name, content in wanted.items():
        path = folder / name
        if not path.is_file() or path.read_bytes() != content:
            path.write_bytes(content)
