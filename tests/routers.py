"""Two mongos in front of one mongod, as a driver sees them: real servers' answers, but `hello` says what a mongos says.

The wheels bring no mongos. These relay every message of a connection as it is, and in a reply to `hello` take out what
only a member of a set tells and put in `msg: isdbgrid`, by which a driver knows a mongos.
"""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress
from typing import Any

import bson

HEADER, OP_REPLY, OP_MSG = 16, 1, 2013
OF_A_MEMBER = ("setName", "setVersion", "hosts", "primary", "me", "electionId", "lastWrite", "secondary", "tags",
               "topologyVersion")  # fmt: skip


class Routers:
    """Listens on two ports and relays to `port`; ended by `stop`."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._listening = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
        self._open: list[socket.socket] = []
        for one in self._listening:
            threading.Thread(target=self._accept, args=(one,), daemon=True).start()

    @property
    def uri(self) -> str:
        """Address of both; without retryable writes, which a standalone server behind them does not know."""
        hosts = ",".join(f"127.0.0.1:{one.getsockname()[1]}" for one in self._listening)
        return f"mongodb://{hosts}/?retryWrites=false"

    def stop(self) -> None:
        """Close all connections."""
        for one in [*self._listening, *self._open]:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self, listening: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listening.accept()
                server = socket.create_connection(("127.0.0.1", self.port))
                self._open += [client, server]
                for pair in ((client, server, False), (server, client, True)):
                    threading.Thread(target=_relay, args=pair, daemon=True).start()


def _relay(source: socket.socket, target: socket.socket, replies: bool) -> None:
    with suppress(OSError, struct.error):
        while header := source.recv(HEADER, socket.MSG_WAITALL):
            length, number, to, kind = struct.unpack("<iiii", header)
            body = source.recv(length - HEADER, socket.MSG_WAITALL)
            if replies:
                body = _as_mongos(body, 20 if kind == OP_REPLY else 5)
            target.sendall(struct.pack("<iiii", HEADER + len(body), number, to, kind) + body)
    with suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)


def _as_mongos(body: bytes, start: int) -> bytes:
    """A reply whose only document begins at `start`, as a mongos would give it."""
    told: dict[str, Any] = bson.decode(body[start : start + struct.unpack_from("<i", body, start)[0]])
    if "maxWireVersion" not in told:
        return body
    kept = {name: value for name, value in told.items() if name not in OF_A_MEMBER}
    flags = struct.pack("<I", struct.unpack_from("<I", body)[0] & ~1)  # a checksum would be another's
    return flags + body[4:start] + bson.encode({**kept, "msg": "isdbgrid"})
