"""More than anybody needs: RFC 9113 §10.5."""

from hyperframe.frame import PingFrame, PriorityFrame, SettingsFrame, WindowUpdateFrame

from case import BEGINS, CALM, COMPRESSION, FLOW, IGNORED, PROTOCOL, WHOLE, case
from peer import STREAM, continuation, data, frame, headers, reset

FLOOD = 100_000
# What the inspector allows at a time.
STREAMS = 100
SECTION = "10.5"


@case(*CALM, COMPRESSION, section=SECTION, probes=False)
def continuations_without_an_end(c):
    c.send(headers(STREAM, c.block()))
    c.flood(continuation(STREAM, b"\x00\x01a\x01b" * 3_000), 5_000)


@case(*CALM, section=SECTION, probes=False)
def empty_continuations_without_an_end(c):
    c.send(headers(STREAM, c.block()))
    c.flood(continuation(STREAM, b""), FLOOD)


@case(IGNORED, "held", *CALM, section=SECTION)
def settings_without_an_end(c):
    c.flood(SettingsFrame(0).serialize(), FLOOD)


@case(IGNORED, "held", *CALM, section=SECTION)
def pings_without_an_end(c):
    c.flood(PingFrame(0, b"12345678").serialize(), FLOOD)


@case(IGNORED, *CALM, section=SECTION)
def priorities_without_an_end(c):
    c.flood(PriorityFrame(9, depends_on=3, stream_weight=5).serialize(), FLOOD)


@case(IGNORED, *CALM, section=SECTION)
def unknown_frames_without_an_end(c):
    c.flood(frame(0xBB, 0, 0, bytes(100)), FLOOD)


@case(IGNORED, FLOW, *CALM, section=SECTION)
def windows_without_an_end(c):
    c.flood(WindowUpdateFrame(0, 1).serialize(), FLOOD)


@case("stream:CANCEL", IGNORED, *CALM, section=SECTION, stream=False, server=BEGINS)
def empty_data_without_an_end(c):
    c.send(c.upload())
    c.flood(data(STREAM, b""), FLOOD)


@case(FLOW, "stream:FLOW_CONTROL_ERROR", "closed", section="6.9.1", server=BEGINS)
def more_data_than_the_windows_have(c):
    # The server takes some; nobody takes as quickly as this is said.
    for stream in range(1, 2 * STREAMS, 2):
        c.send(c.upload(stream=stream))
    for stream in range(1, 2 * STREAMS, 2):
        c.flood(data(stream, bytes(16_384)), 100)


@case("stream:REFUSED_STREAM", PROTOCOL, section="5.1.2", server=BEGINS)
def more_streams_than_allowed(c):
    # None of these ends, so that all of them are open when the last one comes.
    streams = range(1, 2 * STREAMS, 2)
    c.stream = 2 * STREAMS + 1
    c.send(*(c.upload(stream=stream) for stream in streams), c.request(c.stream))
    c.read(lambda: c.is_over(c.stream))
    c.send(*(reset(stream) for stream in streams))


@case(*CALM, section=SECTION, probes=False, server=BEGINS)
def requests_taken_back_at_once(c):
    # CVE-2023-44487.
    try:
        for stream in range(1, 20_000, 2):
            c.send(c.request(stream, path="/large"), reset(stream))
    except OSError:
        return


@case(*CALM, section=SECTION, probes=False, server=BEGINS)
def requests_that_have_themselves_reset(c):
    # CVE-2025-8671: it is the server that resets them, for a window that is opened by nothing.
    try:
        for stream in range(1, 20_000, 2):
            c.send(c.request(stream, path="/large"), frame(8, 0, stream, bytes(4)))
    except OSError:
        return


@case(IGNORED, section=SECTION, server=WHOLE, settings={SettingsFrame.INITIAL_WINDOW_SIZE: 0})
def answers_that_nobody_takes(c):
    # The window of every stream is nothing, so that the answers wait where they are.
    streams = range(3, 3 + 2 * STREAMS, 2)
    c.send(*(c.request(stream, path="/large") for stream in streams))
    c.read(lambda: len(c.status) == STREAMS)
    c.send(*(reset(stream) for stream in streams))
    c.send(SettingsFrame(0, settings={SettingsFrame.INITIAL_WINDOW_SIZE: 65_535}).serialize())
