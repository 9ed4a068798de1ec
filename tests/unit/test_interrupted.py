"""What a Ctrl-C at one certain moment leaves: no descriptor open, and nothing destroyed that is not there."""

from __future__ import annotations

import pytest

from libbpf_cffi import _handle, ffi
from libbpf_cffi._handle import Handle


@pytest.mark.parametrize("address", [0, (1 << 64) - 22])
def test_what_cannot_be_a_pointer_is_not_destroyed_when_a_ctrl_c_ends_its_making(monkeypatch, address):
    def interrupt(pointer):
        raise KeyboardInterrupt

    destroyed = []
    handle = Handle(destroyed.append, name="a")
    with monkeypatch.context() as patch:
        patch.setattr(_handle, "wild", interrupt)
        with pytest.raises(KeyboardInterrupt):
            handle.make(lambda number: ffi.cast("void *", number), address)
    handle.close()
    assert handle.closed
    assert destroyed == []
