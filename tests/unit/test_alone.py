"""Two who take from one iterator at the same time: the second gets an error, the first goes on."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from libbpf_cffi import StateError
from libbpf_cffi._alone import chained


def test_it_gives_what_is_in_each_one_after_the_other() -> None:
    """Empty ones too."""
    assert list(chained(iter([[1, 2], [], [3]]))) == [1, 2, 3]


def test_what_the_generator_raises_comes_through() -> None:
    """A `ValueError` of another kind as well."""

    def source():
        yield [1]
        raise ValueError("of its own")

    each = chained(source())
    assert next(each) == 1
    with pytest.raises(ValueError, match="of its own"):
        next(each)


def test_a_second_thread_is_refused_and_the_first_goes_on() -> None:
    """And the iterator goes on after that."""
    inside, go_on = threading.Event(), threading.Event()

    def source():
        inside.set()
        go_on.wait(30)
        yield [1, 2]
        yield [3]

    each = chained(source())
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(next(each)))
    thread.start()
    assert inside.wait(30)
    for _ in range(3):
        with pytest.raises(StateError, match="in use"):
            next(each)
    go_on.set()
    thread.join()
    assert found + list(each) == [1, 2, 3]


SIGNAL = """
import os, signal
from libbpf_cffi import StateError
from libbpf_cffi._alone import chained

def source():
    yield [1]
    os.kill(os.getpid(), signal.SIGUSR1)
    for _ in range(1000):
        pass
    yield [2]

said = []
def handler(*_):
    try:
        next(each)
    except StateError:
        said.append("refused")

signal.signal(signal.SIGUSR1, handler)
each = chained(source())
print(list(each), said)
"""


def test_a_signal_handler_in_the_middle_is_refused_and_nothing_is_freed() -> None:
    """With memory that is overwritten when it is freed, so that a use of it is seen."""
    environment = {"PYTHONMALLOC": "debug"}
    done = subprocess.run([sys.executable, "-c", SIGNAL], capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "[1, 2] ['refused']"), done.stderr
