"""The programs of examples/ do what they say; those about the network in a network of their own."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import libbpf_cffi as bpf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EXAMPLES = Path(__file__).resolve().parent.parent.parent / "examples"
DEADLINE = 120.0
PACKAGE = os.path.dirname(os.path.dirname(bpf.__file__))
PRIVATE_NETWORK = ("unshare", "-n", "sh", "-c", 'ip link set lo up && exec "$@"', "sh")
SEND = """
import socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
    for _ in range(5):
        udp.sendto(b"hello", ("127.0.0.1", 9))
"""

pytestmark = pytest.mark.usefixtures("root", "tracefs")


class Example:
    """An example that runs in another process."""

    def __init__(self, name: str, *arguments: object, before: tuple[str, ...] = ()) -> None:
        command = [*before, sys.executable, "-bb", "-W", "error", str(EXAMPLES / name), *map(str, arguments)]
        environment = {**os.environ, "PYTHONPATH": PACKAGE}
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment)

    def until(self, text: str) -> None:
        """Wait for a line."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if text in line:
                return
        self.process.wait()
        raise AssertionError(f"no {text!r}: {self.process.stderr and self.process.stderr.read()}")

    def end(self, number: int | None = None) -> str:
        """Wait for its end, after a signal if one is given; give what it has written."""
        if number is not None:
            self.process.send_signal(number)
        out, err = self.process.communicate(timeout=DEADLINE)
        assert self.process.returncode == 0, err
        assert not err
        return out


@pytest.fixture
def example() -> Iterator[Callable[..., Example]]:
    """Start an example by its file's name; it is ended after the test."""
    started = []

    def start(name: str, *arguments: object, before: tuple[str, ...] = ()) -> Example:
        started.append(Example(name, *arguments, before=before))
        return started[-1]

    yield start
    for each in started:
        if each.process.poll() is None:
            each.process.kill()
            each.process.communicate()


def send_beside(process: subprocess.Popen[str]) -> None:
    """Send five datagrams in the network of a process."""
    command = ["nsenter", "-t", str(process.pid), "-n", sys.executable, "-c", SEND]
    subprocess.run(command, check=True, timeout=DEADLINE)


def test_packets_are_counted_by_protocol(example):
    """A datagram on the loopback device is seen twice: it goes out and comes in."""
    counter = example("packets.py", "--seconds", 600, before=PRIVATE_NETWORK)
    counter.until("counting on lo")
    send_beside(counter.process)
    lines = dict(line.split(": ", 1) for line in counter.end(2).splitlines())
    assert lines["udp"] == f"10 packets, {10 * (14 + 20 + 8 + 5)} bytes"
    # Nobody listens there, and the kernel says so.
    assert lines["icmp"].startswith("10 packets")


def test_a_firewall_is_filled_from_a_list_of_networks(example):
    networks = ["127.0.0.0/8", "127.0.0.0/24", "10.0.0.0/8", "192.0.2.1"]
    firewall = example("firewall.py", "--seconds", 600, "lo", *networks, before=PRIVATE_NETWORK)
    firewall.until("dropping 4 networks on lo")
    send_beside(firewall.process)
    assert firewall.end(2).splitlines() == [
        "10.0.0.0/8: 0 packets dropped",
        "127.0.0.0/8: 0 packets dropped",
        "127.0.0.0/24: 5 packets dropped",
        "192.0.2.1/32: 0 packets dropped",
    ]


def test_a_wrong_network_is_refused_by_the_firewall_before_it_drops_anything(example):
    firewall = example("firewall.py", "lo", "10.0.0.1/8", before=PRIVATE_NETWORK)
    _, err = firewall.process.communicate(timeout=DEADLINE)
    assert firewall.process.returncode == 1
    assert "'10.0.0.1/8' has host bits set: the network is '10.0.0.0/8'" in err


def test_a_table_of_tail_calls_is_filled_and_emptied_while_packets_come(example):
    lines = example("tail_calls.py", before=PRIVATE_NETWORK).end().splitlines()
    found = [re.fullmatch(r"(\w+): (\d+) datagrams, (\d+) others, port (\d+)", line) for line in lines]
    assert [each and each.group(1, 2, 3) for each in found] == [
        ("empty", "0", "6"),
        ("filled", "6", "6"),
        ("emptied", "6", "12"),
    ]
    assert found[0].group(4) == "0"
    assert found[1].group(4) == found[2].group(4) != "0"


def test_a_hash_of_maps_is_filled_and_emptied_while_its_program_runs(example):
    code = "import os\nfor _ in range(1234): os.getppid()"
    first, *rest = example("per_process.py", sys.executable, "-c", code).end().splitlines()
    assert re.fullmatch(r"\d+ system calls, 0 processes are left", first)
    # More often than anything else; the shell that becomes the command may have asked once, too.
    assert int(rest[0].split()[1]) in {1234, 1235}


def test_a_large_hash_is_loaded_into_numpy(example):
    pytest.importorskip("numpy")
    out = example("million.py").end()
    assert "1,000,000 entries written" in out
    assert "74,250,000,000 bytes in 49,500,000 packets" in out
    assert re.search(r"of flow 4711: .*packets=11, bytes=16500", out)


@pytest.mark.parametrize("way", ["name", "pin"])
def test_a_map_of_another_process_is_read_with_typed_values(example, loaded, pins, way):
    """By its name, which no other map on this machine has, or by its pin."""
    obj = loaded("values")
    name = f"peek_{os.getpid()}_{way}"
    types = obj.maps["by_who"].key_type, obj.maps["by_who"].value_type
    with bpf.Map.create("hash", *types, max_entries=10, name=name) as mine:
        mine[{"pid": 4711, "comm": "somebody"}] = {"calls": 3, "verbosity": "LOUD"}
        mine.pin(pins / name)
        title, entry = example("peek.py", name if way == "name" else pins / name).end().splitlines()
        mine.unpin()
    assert title.startswith(f"{name}: hash of struct who")
    assert "pid=4711, comm='somebody'" in entry
    assert "calls=3" in entry
    assert "LOUD" in entry


# What the command alone makes of an object


def run_command(*arguments: object) -> str:
    """Run bpf-run to its end; give what it wrote to stdout."""
    command = [sys.executable, "-bb", "-W", "error", "-m", "libbpf_cffi.run", "-q", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": PACKAGE}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=DEADLINE, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout


def events(*arguments: object) -> list[dict[str, Any]]:
    """Run bpf-run to its end; give the events that it showed."""
    return [json.loads(line) for line in run_command("--json", *arguments).splitlines()]


def test_opensnoop_is_told_what_to_tell(compiled):
    missing = f"/nonexistent-{os.getpid()}"
    code = f"try: open('{missing}')\nexcept OSError: pass\nopen('/dev/null').close()"
    chosen = ["--set", "failed_only=true", "--filter", f"path~{missing}*", "--columns", "path,result"]
    found = events(*chosen, compiled("opensnoop"), "--", sys.executable, "-c", code)
    assert found == [{"path": missing, "result": -errno.ENOENT}]


def test_opensnoop_has_a_table_of_events_and_a_map(compiled):
    command = ["sh", "-c", "exec 3</dev/null"]
    out = run_command("--columns", "comm,path", "--map", "opens", compiled("opensnoop"), "--", *command)
    assert re.search(r"^sh +/dev/null$", out, re.MULTILINE)
    assert re.search(r"^opens: \d+ entr", out, re.MULTILINE)


@pytest.mark.every_kernel
@pytest.mark.needs("tp_btf")
def test_execsnoop_tells_arguments(compiled):
    command = ["sh", "-c", "env true 'one two'; true"]
    found = events("--columns", "comm,args", compiled("execsnoop"), "--", *command)
    assert [(each["comm"], each["args"]) for each in found] == [
        ("sh", "sh -c env true 'one two'; true"),
        ("env", "env true one two"),
        ("true", "true one two"),
    ]


@pytest.mark.needs("tp_btf")
def test_execsnoop_cuts_long_arguments(compiled):
    found = events("--filter", "comm=true", compiled("execsnoop"), "--", "/bin/true", "x" * 5000)
    assert [each["args"] for each in found] == [("/bin/true " + "x" * 5000)[:511]]


@pytest.mark.every_kernel
@pytest.mark.needs("tp_btf", "map:TASK_STORAGE")
def test_runqslower_tells_who_waited(compiled):
    found = events("--set", "min_us=0", "--lines", 20, compiled("runqslower"))
    assert len(found) == 20
    assert all(each["pid"] > 0 and each["comm"] for each in found)


@pytest.mark.needs("tp_btf", "map:TASK_STORAGE")
def test_runqslower_draws_a_histogram(compiled):
    chosen = ["--set", "min_us=0", "--no-events", "--hist", "waits", "--duration", "1"]
    assert re.search(r"^ +\d+ -> \d+ +: [1-9]", run_command(*chosen, compiled("runqslower")), re.MULTILINE)


@pytest.mark.needs("tp_btf", "snprintf")
@pytest.mark.parametrize(("address", "text"), [("127.0.0.1", "127.0.0.1"), ("::1", f"{'0000:' * 7}0001")])
def test_tcpconnect_tells_who_connects_to_where(compiled, address, text):
    code = f"""
import socket
family = socket.AF_INET6 if ":" in "{address}" else socket.AF_INET
with socket.socket(family) as server, socket.socket(family) as client:
    server.bind(("{address}", 0))
    server.listen()
    client.connect(server.getsockname())
    print(server.getsockname()[1], flush=True)
"""
    # The command's own output comes first: the event is read when it has ended, or before.
    lines = run_command("--json", compiled("tcpconnect"), "--", sys.executable, "-c", code).splitlines()
    (port,) = [int(line) for line in lines if line.isdecimal()]
    found = [json.loads(line) for line in lines if not line.isdecimal()]
    # Others of this machine may connect meanwhile, elsewhere.
    assert [each["to"] for each in found if each["port"] == port] == [text]


@pytest.mark.needs("tp_btf")
def test_a_live_view_shows_programs_by_their_calls(example):
    top = example("top.py", "--every", 0.3, "--duration", 600)
    top.until("last started:")
    for _ in range(3):
        subprocess.run(["/bin/true"], check=True)
    assert top.process.stdout is not None
    title = row = None
    for line in top.process.stdout:
        title = re.match(r"[\d.]+ s: \d+ system calls, (\d+) programs started, \d+ files opened", line) or title
        row = re.match(r"true +\d+ +(\d+) +(\d+) +(\d+)$", line) or row
        # A busy machine may show a view between two of them.
        if line.endswith("/bin/true\n") and row is not None and int(row[2]) >= 3:
            break
    assert title is not None
    assert row is not None
    assert int(title[1]) >= 3
    assert int(row[2]) >= 3
    assert int(row[1]) > int(row[3]) >= 3
    top.end(2)


@pytest.mark.needs("tp_btf")
def test_a_live_view_ends_after_its_duration(example):
    assert "system calls" in example("top.py", "--every", 0.1, "--duration", 0.5).end()


@pytest.mark.needs("tp_btf")
def test_a_live_view_uses_the_screen_of_a_terminal_and_gives_it_back():
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 20, 60, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES"}}
    command = [sys.executable, str(EXAMPLES / "top.py"), "--every", "0.1", "--duration", "0.5"]
    process = subprocess.Popen(command, stdout=follower, env={**environment, "PYTHONPATH": PACKAGE})
    os.close(follower)
    text = b""
    while True:
        try:
            text += os.read(leader, 4096)
        except OSError:  # EIO, when nobody has the other end any more
            break
    os.close(leader)
    assert process.wait(DEADLINE) == 0
    shown = text.decode()
    assert shown.startswith("\x1b[?1049h")
    assert shown.endswith("\x1b[?1049l")
    lines = re.sub(r"\x1b\[[?\d]*[A-Za-z]", "", shown.replace("\x1b[H", "\n")).splitlines()
    assert len(lines) > 10
    assert max(map(len, lines)) <= 60


BUSY = """
def burn():
    number = 0
    while True:
        number = pow(3, 100003, 1000003) + number
burn()
"""


def test_profile_names_the_functions_that_a_process_is_in(example):
    with subprocess.Popen([sys.executable, "-c", BUSY]) as busy:
        try:
            out = example("profile.py", 1, busy.pid).end()
        finally:
            busy.kill()
    assert re.search(rf"^\d+ samples of \S+ \({busy.pid}\)$", out, re.MULTILINE), out
    assert re.search(r"^    \w+\+0x[0-9a-f]+ \[/.*\]$", out, re.MULTILINE), out
