"""Prefaces, frames, streams and windows that break the protocol."""

from hyperframe.frame import GoAwayFrame, SettingsFrame, WindowUpdateFrame

from case import BEGINS, FLOW, IGNORED, MALFORMED, PROTOCOL, SIZE, WHOLE, case
from peer import PREFACE, STREAM, data, frame, headers, reset

SETTINGS = SettingsFrame(0).serialize()
LARGEST_WINDOW = 2**31 - 1
DEPENDS_ON_ITSELF = STREAM.to_bytes(4, "big") + b"\x10"
# RFC 9113 §5.1 leaves the choice.
CLOSED_STREAM = ("connection:STREAM_CLOSED", "stream:STREAM_CLOSED")


@case(PROTOCOL, "closed", section="3.4", speaks=False)
def another_preface(c):
    c.send(b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", SETTINGS)


@case(PROTOCOL, "closed", section="3.4", speaks=False)
def frames_before_the_preface(c):
    c.send(SETTINGS, PREFACE)


@case(PROTOCOL, "closed", section="3.4", speaks=False)
def http1_where_http2_was_agreed(c):
    c.send(f"GET {c.path} HTTP/1.1\r\nHost: {c.server}\r\n\r\n".encode())


@case(PROTOCOL, but="status:404", section="3.4", speaks=False, server=WHOLE)
def no_settings_first(c):
    c.send(PREFACE, c.request())


@case(SIZE, section="4.2", server=BEGINS)
def a_frame_too_large(c):
    c.send(c.upload(), data(STREAM, bytes(16_385)))


@case(IGNORED, section="4.1")
def a_frame_of_unknown_kind(c):
    c.send(frame(0xBB, 0xFF, STREAM, b"who knows"))


@case(IGNORED, section="4.1")
def unknown_flags_and_the_reserved_bit(c):
    c.send(frame(6, 0xFE, 0x8000_0000, bytes(8)))


@case(PROTOCOL, section="6.1")
def data_on_stream_0(c):
    c.send(frame(0, 1, 0, b"x"))


@case(PROTOCOL, section="5.1")
def data_on_an_idle_stream(c):
    c.send(data(STREAM, b"x", "END_STREAM"))


@case(*CLOSED_STREAM, but=PROTOCOL, section="5.1", server=WHOLE)
def data_after_the_end(c):
    c.send(c.request(path="/large"), data(STREAM, b"x"))


@case(*CLOSED_STREAM, but=PROTOCOL, section="5.1", server=WHOLE)
def fields_after_the_end(c):
    c.send(c.request(path="/large"), c.request(path="/large"))


@case(PROTOCOL, section="6.1", server=BEGINS)
def data_whose_padding_is_longer(c):
    c.send(c.upload(), frame(0, 0x8, STREAM, bytes([200]) + b"short"))


@case(PROTOCOL, section="6.2")
def fields_whose_padding_is_longer(c):
    c.send(frame(1, 0xD, STREAM, bytes([200]) + b"short"))


@case(PROTOCOL, section="6.2")
def fields_on_stream_0(c):
    c.send(frame(1, 0x5, 0, c.block()))


@case(PROTOCOL, section="5.1.1")
def an_even_stream(c):
    c.send(c.request(2))


@case(PROTOCOL, section="5.1.1")
def a_stream_with_a_lower_number(c):
    c.send(c.request(5, path="/index.html"), c.request(3))


@case(*MALFORMED, section="RFC 7540 5.3.1")
def fields_that_depend_on_their_own_stream(c):
    c.send(frame(1, 0x25, STREAM, DEPENDS_ON_ITSELF + c.block()))


@case(PROTOCOL, section="6.3")
def priority_on_stream_0(c):
    c.send(frame(2, 0, 0, bytes(5)))


@case(SIZE, "stream:FRAME_SIZEERROR", but=PROTOCOL, section="6.3", stream=False)
def priority_of_four_bytes(c):
    c.send(frame(2, 0, STREAM, bytes(4)))


@case(IGNORED, *MALFORMED, section="RFC 7540 5.3.1", stream=False)
def priority_that_depends_on_itself(c):
    c.send(frame(2, 0, STREAM, DEPENDS_ON_ITSELF))


@case(PROTOCOL, section="6.4")
def reset_of_an_idle_stream(c):
    c.send(reset(STREAM))


@case(PROTOCOL, section="6.4")
def reset_of_stream_0(c):
    c.send(frame(3, 0, 0, bytes(4)))


@case(SIZE, but=PROTOCOL, section="6.4", server=BEGINS)
def reset_of_three_bytes(c):
    c.send(c.upload(), frame(3, 0, STREAM, bytes(3)))


@case(PROTOCOL, section="6.5")
def settings_on_a_stream(c):
    c.send(frame(4, 0, STREAM))


@case(SIZE, but=PROTOCOL, section="6.5")
def settings_of_five_bytes(c):
    c.send(frame(4, 0, 0, bytes(5)))


@case(SIZE, but=PROTOCOL, section="6.5")
def acknowledgement_with_settings(c):
    c.send(frame(4, 1, 0, bytes(6)))


@case(PROTOCOL, section="6.5.2")
def settings_with_push_of_two(c):
    c.send(frame(4, 0, 0, b"\0\2\0\0\0\2"))


@case(FLOW, but=PROTOCOL, section="6.5.2")
def settings_with_a_window_too_large(c):
    c.send(frame(4, 0, 0, b"\0\4\x80\0\0\0"))


@case(PROTOCOL, section="6.5.2")
def settings_with_frames_too_small(c):
    c.send(frame(4, 0, 0, b"\0\5\0\0\0\x10"))


@case(PROTOCOL, section="6.5.2")
def settings_with_frames_too_large(c):
    c.send(frame(4, 0, 0, b"\0\5\1\0\0\0"))


@case(IGNORED, section="6.5.2")
def settings_that_nobody_knows(c):
    c.send(frame(4, 0, 0, b"\xab\xcd\0\0\0\1"))


@case(PROTOCOL, section="8.4")
def a_promise_of_the_client(c):
    c.send(frame(5, 4, STREAM, (2).to_bytes(4, "big") + c.block()))


@case(PROTOCOL, section="6.7")
def ping_on_a_stream(c):
    c.send(frame(6, 0, STREAM, bytes(8)))


@case(SIZE, but=PROTOCOL, section="6.7")
def ping_of_seven_bytes(c):
    c.send(frame(6, 0, 0, bytes(7)))


@case(PROTOCOL, section="6.8")
def goodbye_on_a_stream(c):
    c.send(frame(7, 0, STREAM, bytes(8)))


@case(SIZE, but=PROTOCOL, section="6.8")
def goodbye_of_four_bytes(c):
    c.send(frame(7, 0, 0, bytes(4)))


@case(IGNORED, "closed", section="6.8")
def goodbye_and_then_a_request(c):
    c.send(GoAwayFrame(0).serialize())


@case(PROTOCOL, section="6.9")
def window_of_nothing_more(c):
    c.send(frame(8, 0, 0, bytes(4)))


@case(*MALFORMED, section="6.9", server=BEGINS)
def stream_window_of_nothing_more(c):
    c.send(c.upload(), frame(8, 0, STREAM, bytes(4)))


@case(PROTOCOL, section="6.9")
def window_of_an_idle_stream(c):
    c.send(WindowUpdateFrame(STREAM, 5).serialize())


@case(SIZE, but=PROTOCOL, section="6.9")
def window_of_three_bytes(c):
    c.send(frame(8, 0, 0, bytes(3)))


@case(FLOW, section="6.9.1")
def window_beyond_all_bounds(c):
    c.send(WindowUpdateFrame(0, LARGEST_WINDOW).serialize())


@case("stream:FLOW_CONTROL_ERROR", FLOW, section="6.9.1", server=BEGINS)
def stream_window_beyond_all_bounds(c):
    c.send(c.upload(), WindowUpdateFrame(STREAM, LARGEST_WINDOW).serialize())


@case(FLOW, section="6.9.2", server=BEGINS)
def settings_that_lift_a_window_beyond_all_bounds(c):
    c.send(c.upload(), WindowUpdateFrame(STREAM, LARGEST_WINDOW - 70_000).serialize())
    c.send(frame(4, 0, 0, b"\0\4\x7f\xff\xff\xff"))
