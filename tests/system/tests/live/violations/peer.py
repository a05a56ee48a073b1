"""A client of HTTP/2 that can say anything: frames by hyperframe, field blocks by hpack, and bytes where those are too polite."""

import socket
import ssl

from hpack import Decoder, Encoder
from hyperframe.frame import ContinuationFrame, DataFrame, Frame, GoAwayFrame, HeadersFrame, RstStreamFrame, SettingsFrame

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
# The stream that a case is about, and the one whose answer shows that the connection goes on.
STREAM, PROBE = 1, 100_001
# For an answer, in seconds. Longer than any ever took; a case that waits for it in vain has found something.
PATIENCE = 15
# For the other side to take what a flood sends.
FLOOD_PATIENCE = 3
ERRORS = [
    "NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED",
    "FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED",
]


def frame(kind, flags, stream, payload=b""):
    """A frame of any kind, with any flags, whose length is right."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def headers(stream, block, *flags):
    return HeadersFrame(stream, block, flags=flags).serialize()


def continuation(stream, block, *flags):
    return ContinuationFrame(stream, block, flags=flags).serialize()


def data(stream, payload, *flags):
    return DataFrame(stream, payload, flags=flags).serialize()


def reset(stream):
    return RstStreamFrame(stream, 8).serialize()


class Connection:
    """To the server of this name at this address, by TLS, believing this root; for a case of this name."""

    def __init__(self, address, server, root, case, settings, speaks):
        context = ssl.create_default_context(cafile=root)
        context.set_alpn_protocols(["h2"])
        self.tls = context.wrap_socket(socket.create_connection(address, PATIENCE), server_hostname=server)
        if self.tls.selected_alpn_protocol() != "h2":
            raise SystemExit("nobody speaks HTTP/2 here")
        self.server, self.stream = server, STREAM
        self.path, self.place = f"/violation/{case}", f"/uploads/violation-{case}"
        self.encoder, self.decoder = Encoder(), Decoder()
        self.buffer = b""
        # Of every stream: its status, the error that it was reset with, and whether its answer has ended.
        self.status, self.resets, self.ended = {}, {}, set()
        self.error = None
        if speaks:
            self.send(PREFACE, SettingsFrame(0, settings=settings).serialize())

    def send(self, *parts):
        self.tls.sendall(b"".join(parts))

    def block(self, more=(), method="GET", **instead):
        """The field block of a request; `instead` are other pseudo-fields, or none where it says `None`."""
        pseudo = {"method": method, "scheme": "https", "authority": self.server, "path": self.path} | instead
        fields = [(f":{name}", value) for name, value in pseudo.items() if value is not None]
        return self.encoder.encode(fields + list(more), huffman=False)

    def request(self, stream=STREAM, more=(), **instead):
        return headers(stream, self.block(more, **instead), "END_HEADERS", "END_STREAM")

    def upload(self, more=(), stream=STREAM):
        """The head of a request with a body."""
        return headers(stream, self.block(more, method="PUT", path=self.place), "END_HEADERS")

    def flood(self, part, count, batch=100):
        """So many times these bytes, for as long as they are taken, while nothing is read."""
        self.tls.settimeout(FLOOD_PATIENCE)
        try:
            for _ in range(count // batch):
                self.send(part * batch)
        except TimeoutError:
            self.error = "held"
        except OSError:
            # Ended by the other side; why stands in what it sent.
            pass

    def read(self, until):
        """Takes what comes until that is so, or the connection has ended."""
        self.tls.settimeout(PATIENCE)
        try:
            while not self.error and not until():
                self.take(self.frame())
        except TimeoutError:
            self.error = "nothing"
        except (OSError, EOFError):
            self.error = self.error or "closed"

    def frame(self):
        taken, length = Frame.parse_frame_header(memoryview(self.exactly(9)))
        taken.parse_body(memoryview(self.exactly(length)))
        return taken

    def exactly(self, count):
        while len(self.buffer) < count:
            part = self.tls.recv(65_536)
            if not part:
                raise EOFError
            self.buffer += part
        part, self.buffer = self.buffer[:count], self.buffer[count:]
        return part

    def take(self, taken):
        stream = taken.stream_id
        if isinstance(taken, GoAwayFrame) and taken.error_code:
            self.error = f"connection:{ERRORS[taken.error_code]}"
        elif isinstance(taken, RstStreamFrame):
            self.resets[stream] = ERRORS[taken.error_code]
        elif isinstance(taken, HeadersFrame):
            self.status[stream] = dict(self.decoder.decode(taken.data)).get(":status", self.status.get(stream))
        if isinstance(taken, (HeadersFrame, DataFrame)) and "END_STREAM" in taken.flags:
            self.ended.add(stream)

    def is_over(self, stream):
        return stream in self.resets or stream in self.ended

    def outcome(self, waits, probes):
        """What became of it, and of the request that shows whether the connection goes on."""
        if probes:
            try:
                self.send(self.request(PROBE, path="/index.html"))
            except OSError:
                # Ended already, which reading will tell.
                pass
        # Who can ask for nothing more has only the end to wait for.
        self.read(lambda: (waits or probes) and (not waits or self.is_over(self.stream)) and (not probes or self.is_over(PROBE)))
        if self.error:
            return self.error, "nothing"
        return self.fate(self.stream), self.fate(PROBE)

    def fate(self, stream):
        if stream in self.resets and stream not in self.ended:
            return f"stream:{self.resets[stream]}"
        if stream in self.status:
            return f"status:{self.status[stream]}"
        return "ignored"
