"""A broker as far as the adapter of RocketMQ asks it: RocketMQ's remoting protocol over TCP, and no store.

A frame is its length, the length of its header, the header in JSON, and the body. Of a request the header has `code`,
`opaque` (its number) and `extFields`; the answer has the same number and the flag 1.
"""

import json
import socketserver
import struct
import threading
import time
import zlib
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

SUCCESS, NOT_FOUND = 0, 210
SEND, CREATE_TOPIC, RUNTIME_INFO, MAX_OFFSET = 10, 17, 28, 30
POP, ACK, CHANGE, ACK_BATCH = 200050, 200051, 200053, 200151

Answer = tuple[int, Mapping[str, object], bytes]


class Stub(socketserver.ThreadingTCPServer):
    """A broker that has some messages, hands all of them out at each pop, and answers every ack with `says`."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Connection)
        self.bodies: list[bytes] = []
        self.asked: list[tuple[int, Mapping[str, str], bytes]] = []
        self.says = SUCCESS
        self.drops = False
        """Whether the connection is closed instead of an answer."""
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    def last(self, code: int) -> Mapping[str, str]:
        """The fields of the newest request of a kind."""
        return [fields for each, fields, _ in self.asked if each == code][-1]

    def answer(self, code: int, fields: Mapping[str, str], body: bytes) -> Answer:
        self.asked.append((code, fields, body))
        match code:
            case 28:
                table = {"dispatchBehindBytes": "0", "remainHowManyDataToFlush": "0 B"}
                return SUCCESS, {}, json.dumps({"table": table}).encode()
            case 30:
                return SUCCESS, {"offset": len(self.bodies)}, b""
            case 10 | 310:
                self.bodies.append(body)
                return SUCCESS, {"msgId": "m", "queueId": 0, "queueOffset": len(self.bodies) - 1}, b""
            case 200050:
                return self.popped(fields)
            case 200053:
                now = int(time.time() * 1000)
                return self.says, {"popTime": now, "invisibleTime": fields["invisibleTime"], "reviveQid": 0}, b""
            case 200051 | 200151:
                return self.says, {}, b""
        return SUCCESS, {}, b""

    def popped(self, fields: Mapping[str, str]) -> Answer:
        topic = fields.get("topic") or fields["b"]
        hidden = fields.get("invisibleTime")
        found = b"".join(message(number, body, topic) for number, body in enumerate(self.bodies))
        told = {
            "popTime": int(time.time() * 1000),
            "invisibleTime": hidden,
            "reviveQid": 0,
            "restNum": 0,
            "startOffsetInfo": "0 0 0",
            "msgOffsetInfo": "0 0 " + ",".join(str(number) for number in range(len(self.bodies))),
        }
        return (SUCCESS, told, found) if found else (NOT_FOUND, told, b"")


class Connection(socketserver.StreamRequestHandler):
    """One client."""

    server: Stub

    def handle(self) -> None:
        with suppress(ConnectionError, struct.error):
            while True:
                length, head = struct.unpack(">II", self.rfile.read(8))
                size = head & 0xFFFFFF
                asked = json.loads(self.rfile.read(size))
                body = self.rfile.read(length - 4 - size)
                if self.server.drops:
                    return
                code, fields, told = self.server.answer(asked["code"], asked.get("extFields") or {}, body)
                header: dict[str, Any] = {"code": code, "flag": 1, "language": "JAVA", "version": 0}
                header |= {"opaque": asked["opaque"], "extFields": {name: str(value) for name, value in fields.items()}}
                line = json.dumps(header).encode()
                self.wfile.write(struct.pack(">II", 4 + len(line) + len(told), len(line)) + line + told)


def message(number: int, body: bytes, topic: str) -> bytes:
    """A message as a broker sends it: fixed fields, then body, topic and properties, each with its length before it."""
    host, now = bytes([127, 0, 0, 1]) + struct.pack(">I", 1), int(time.time() * 1000)
    head = struct.pack(">IIIIqq", 0xDAA320A7, zlib.crc32(body) & 0x7FFFFFFF, 0, 0, number, 1000 * number)
    times = struct.pack(">Iq", 0, now) + host + struct.pack(">q", now) + host + struct.pack(">Iq", 0, 0)
    name = topic.encode()
    tail = struct.pack(">I", len(body)) + body + bytes([len(name)]) + name + struct.pack(">H", 0)
    whole = head + times + tail
    return struct.pack(">I", 4 + len(whole)) + whole
