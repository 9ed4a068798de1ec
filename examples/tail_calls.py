"""Fill a table of tail calls, and change it while packets come.

python tail_calls.py [INTERFACE]
"""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import libbpf_cffi as bpf

SO_ATTACH_BPF = 50
ETH_P_ALL = 3


def main(interface: str = "lo") -> None:
    """Send datagrams to ourselves: with the table empty, filled, and emptied again."""
    source = Path(__file__).with_name("tail_calls.bpf.c")
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.bind(("127.0.0.1", 0))
    with (
        bpf.Object.open(bpf.compile_object(source)) as obj,
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw,
        receiver,
    ):
        obj.load()
        handlers, variables = obj.maps["handlers"], obj.variables
        raw.setsockopt(socket.SOL_SOCKET, SO_ATTACH_BPF, obj.programs["classify"].fd)
        raw.bind((interface, ETH_P_ALL))

        def send(when: str) -> None:
            for _ in range(3):
                receiver.sendto(b"hello", receiver.getsockname())
                receiver.recv(16)
            print(f"{when}: {variables['datagrams']} datagrams, {variables['others']} others, port {variables['port']}")

        send("empty")
        handlers[socket.IPPROTO_UDP] = obj.programs["on_udp"]
        handlers[socket.IPPROTO_TCP] = obj.programs["on_tcp"]
        send("filled")
        del handlers[socket.IPPROTO_UDP]
        send("emptied")


if __name__ == "__main__":
    main(*sys.argv[1:])
