"""Field blocks, requests and bodies that break the protocol."""

from hyperframe.frame import PingFrame

from case import BEGINS, CALM, COMPRESSION, MALFORMED, PROTOCOL, add, case
from peer import STREAM, continuation, data, frame, headers

# What may become of a request whose fields are too much: RFC 9113 §10.5.1 leaves it open.
TOO_MUCH = ("status:431", "stream:REFUSED_STREAM", *MALFORMED, *CALM)


@case(PROTOCOL, section="6.10")
def continuation_of_nothing(c):
    c.send(continuation(STREAM, c.block(), "END_HEADERS"))


@case(PROTOCOL, section="6.10", probes=False)
def continuation_on_another_stream(c):
    block = c.block()
    c.send(headers(STREAM, block[:9], "END_STREAM"), continuation(3, block[9:], "END_HEADERS"))


@case(PROTOCOL, section="6.10", probes=False)
def another_frame_between_continuations(c):
    block = c.block()
    c.send(headers(STREAM, block[:9], "END_STREAM"), PingFrame(0).serialize())
    c.send(continuation(STREAM, block[9:], "END_HEADERS"))


@case(PROTOCOL, section="6.10", probes=False)
def an_unknown_frame_between_continuations(c):
    block = c.block()
    c.send(headers(STREAM, block[:9], "END_STREAM"), frame(0xBB, 0, STREAM))
    c.send(continuation(STREAM, block[9:], "END_HEADERS"))


def compressed(name, block):
    """A field block that cannot be decompressed."""
    run = lambda c: c.send(headers(STREAM, block(c), "END_HEADERS", "END_STREAM"))
    add(name, run, COMPRESSION, but=PROTOCOL, section="4.3")


compressed("an_index_of_nothing", lambda c: b"\x80")
compressed("an_index_too_high", lambda c: b"\xff\xff\x03")
compressed("a_number_without_end", lambda c: b"\xff" + b"\xff" * 20 + b"\x01")
compressed("a_block_that_is_cut_short", lambda c: c.block()[:-3])
compressed("a_huffman_code_that_ends_wrongly", lambda c: c.block() + b"\x00\x82\x00\x00\x81\x00")
compressed("a_table_larger_than_was_allowed", lambda c: b"\x3f\xe1\xff\xff\x07" + c.block())
compressed("a_table_that_changes_in_the_middle", lambda c: c.block() + b"\x20" + b"\x00\x01x\x01y")


@case(*TOO_MUCH, section="10.5.1")
def fields_too_large(c):
    block = c.block([(f"x-{number}", "v" * 4_000) for number in range(40)])
    parts = [block[at : at + 16_000] for at in range(0, len(block), 16_000)]
    c.send(headers(STREAM, parts[0], "END_STREAM"), *(continuation(STREAM, part) for part in parts[1:-1]))
    c.send(continuation(STREAM, parts[-1], "END_HEADERS"))


@case(*TOO_MUCH, section="10.5.1")
def a_field_said_once_and_meant_ten_thousand_times(c):
    # RFC 7541 §7.3: four kilobytes into the table, then one byte each time that they are meant: forty megabytes.
    bomb = c.block() + b"\x40\x01x\x7f\xa1\x1e" + b"v" * 4_000
    c.send(headers(STREAM, bomb, "END_STREAM"), continuation(STREAM, b"\xbe" * 10_000, "END_HEADERS"))


@case(*TOO_MUCH, section="10.5.1")
def more_fields_than_anybody_needs(c):
    c.send(c.request(more=[("a", "")] * 300))


def malformed(name, more=(), section="8.3.1", **instead):
    """A request that is none, by its fields."""
    add(name, lambda c: c.send(c.request(more=more, **instead)), *MALFORMED, section=section)


malformed("no_method", method=None)
malformed("no_scheme", scheme=None)
malformed("no_path", path=None)
malformed("an_empty_path", path="")
malformed("a_path_without_a_slash", path="violation/x")
malformed("a_path_with_a_blank", path="/violation/x y")
malformed("a_path_with_a_line_end", path="/violation/x HTTP/1.1\r\nx: y")
malformed("a_star_for_get", path="*")
malformed("connect_with_a_path", method="CONNECT")
malformed("a_scheme_of_another_kind", scheme="ftp")
malformed("a_method_with_a_blank", method="GET /violation")
malformed("a_host_with_a_user", authority="user@witness.example.jp")
malformed("a_host_with_a_blank", authority="witness.example.jp x")
malformed("two_hosts", [("host", "www.example.jp")])
malformed("a_host_twice", [("host", "witness.example.jp")] * 2)
malformed("an_unknown_pseudo_field", [(":unknown", "x")], section="8.3")
malformed("a_pseudo_field_of_answers", [(":status", "200")], section="8.3")
malformed("a_pseudo_field_twice", [(":method", "GET")], section="8.3")
malformed("a_pseudo_field_after_others", [("x", "y"), (":authority", "witness.example.jp")], authority=None, section="8.3")
malformed("connection_field", [("connection", "keep-alive")], section="8.2.2")
malformed("keep_alive_field", [("keep-alive", "timeout=5")], section="8.2.2")
malformed("proxy_connection_field", [("proxy-connection", "keep-alive")], section="8.2.2")
malformed("transfer_encoding_field", [("transfer-encoding", "chunked")], section="8.2.2")
malformed("upgrade_field", [("upgrade", "websocket")], section="8.2.2")
malformed("te_of_anything_but_trailers", [("te", "gzip")], section="8.2.2")
malformed("a_name_in_capitals", [("X-Capital", "x")], section="8.2.1")
malformed("a_name_with_a_colon", [("x:y", "z")], section="8.2.1")
malformed("a_name_with_a_blank", [("x y", "z")], section="8.2.1")
malformed("a_name_of_nothing", [("", "z")], section="8.2.1")
malformed("a_value_with_a_line_end", [("x", "y\r\nz: evil")], section="8.2.1")
malformed("a_value_with_a_line_feed", [("x", "y\nz")], section="8.2.1")
malformed("a_value_with_a_zero", [("x", "y\0z")], section="8.2.1")
malformed("a_length_that_is_no_number", [("content-length", "-1")], section="8.1.1")
malformed("a_length_and_no_body", [("content-length", "5")], section="8.1.1")


def body(name, length, *parts):
    """A body that is not what was said of it; the server may have seen it begin."""

    def run(c):
        c.send(c.upload([("content-length", length)] if length else []), *(part(c) for part in parts))

    add(name, run, *MALFORMED, section="8.1.1", server=BEGINS)


def part(*flags):
    return lambda c: data(STREAM, b"12345", *flags)


def trailers(*fields, ends=("END_STREAM",)):
    return lambda c: headers(STREAM, c.encoder.encode(fields), "END_HEADERS", *ends)


body("a_body_longer_than_was_said", "3", part("END_STREAM"))
body("a_body_shorter_than_was_said", "30", part("END_STREAM"))
body("trailers_before_the_body_was_whole", "30", part(), trailers(("x", "y")))
body("trailers_with_pseudo_fields", None, part(), trailers((":path", "/violation/x")))
body("trailers_that_end_nothing", None, part(), trailers(("x", "y"), ends=()))
body("trailers_with_a_connection_field", None, part(), trailers(("connection", "x")))


@case(*MALFORMED, section="8.1.1")
def two_lengths(c):
    c.send(c.upload([("content-length", "5"), ("content-length", "6")]), data(STREAM, b"12345", "END_STREAM"))
