"""What a case of a violation is, and all of them."""

from dataclasses import dataclass, field
from typing import Callable

CASES = []

# What the server behind may see of a case: nothing; the beginning of a request that is then taken back; all that was right.
NEVER, BEGINS, WHOLE = "never", "begins", "whole"

# What may happen, in words: GOAWAY with an error is `connection:ERROR`, an end without it `closed`; `held` is what becomes
# of a flood that is no longer taken; a stream alone is answered by `stream:ERROR` or by `status:NUMBER`; or nothing happens.
PROTOCOL = "connection:PROTOCOL_ERROR"
SIZE = "connection:FRAME_SIZE_ERROR"
COMPRESSION = "connection:COMPRESSION_ERROR"
FLOW = "connection:FLOW_CONTROL_ERROR"
IGNORED = "ignored"
# Any error of a stream may be treated as one of the connection: RFC 9113 §5.4.1.
MALFORMED = ("stream:PROTOCOL_ERROR", PROTOCOL)
# A flood's sender may be reset before it has read the reason.
CALM = ("connection:ENHANCE_YOUR_CALM", PROTOCOL, "closed")


@dataclass
class Case:
    """One violation. `section` is RFC 9113's, where no other document is named."""

    name: str
    run: Callable
    expected: tuple
    section: str
    # What happens instead, where that is known and accepted: CONFORMANCE.md says why.
    but: str | None = None
    server: str = NEVER
    # Whether to wait for what becomes of the stream; none: where such a thing is expected.
    stream: bool | None = None
    # Whether a request after it shows that the connection goes on.
    probes: bool = True
    # Whether the client begins as it should.
    speaks: bool = True
    settings: dict = field(default_factory=dict)

    def __post_init__(self):
        if self.stream is None:
            self.stream = any(word.startswith(("stream:", "status:")) for word in self.expected)


def add(name, run, *expected, **told):
    CASES.append(Case(name, run, expected, **told))


def case(*expected, **told):
    """Adds a function, whose name is the case's."""
    return lambda run: add(run.__name__, run, *expected, **told)
