"""Breaks HTTP/2 in every way that is known here, each in a connection of its own; a line of JSON tells how each went.

    run.py ADDRESS PORT NAME ROOT [CASE…]
"""

import json
import sys

import fields, floods, frames  # noqa: F401 (they add their cases)
from case import CASES
from peer import Connection


def main():
    address, port, server, root, *wanted = sys.argv[1:]
    for case in CASES:
        if wanted and case.name not in wanted:
            continue
        connection = Connection((address, int(port)), server, root, case.name, case.settings, case.speaks)
        try:
            case.run(connection)
        except OSError:
            # Ended in the midst of it; why stands in what came.
            pass
        happened, probe = connection.outcome(case.stream, case.probes)
        connection.tls.close()
        told = {"case": case.name, "section": case.section, "expected": case.expected, "happened": happened}
        print(json.dumps(told | {"but": case.but, "probe": probe, "server": case.server}), flush=True)


main()
