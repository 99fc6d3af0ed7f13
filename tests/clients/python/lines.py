"""How the tests speak with the programs that drive a client: one JSON object per line in either
direction; bytes are hexadecimal, so that null, empty and arbitrary bytes differ."""

import argparse
import json
import sys
import time
from dataclasses import dataclass, field

# Less than the tests wait, so that a client that hangs says where.
LIMIT_SECONDS = 100


@dataclass
class Record:
    """One line of input (without offset) or output. Headers are (name, value)."""

    partition: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]] = field(default_factory=list)
    offset: int = -1


@dataclass
class Ends:
    """Where a partition starts and ends."""

    partition: int
    start: int
    end: int


@dataclass
class Found:
    """The first record that is not older than a timestamp; None where there is none."""

    partition: int
    timestamp: int
    offset: int | None


def read() -> list[Record]:
    """Reads standard input to its end."""
    records = []
    for text in sys.stdin:
        line = json.loads(text)
        headers = [(header["name"], _unhex(header["value"])) for header in line["headers"]]
        record = Record(line["partition"], line["timestamp"], _unhex(line["key"]), _unhex(line["value"]), headers)
        records.append(record)
    return records


def write(values) -> None:
    """Writes values to standard output, a line each."""
    for value in values:
        line = dict(vars(value))
        if isinstance(value, Record):
            line["key"], line["value"] = _hex(value.key), _hex(value.value)
            line["headers"] = [{"name": name, "value": _hex(content)} for name, content in value.headers]
        print(json.dumps(line))


def _hex(content: bytes | None) -> str | None:
    return None if content is None else bytes(content).hex()


def _unhex(digits: str | None) -> bytes | None:
    return None if digits is None else bytes.fromhex(digits)


def _pair(text: str) -> tuple[int, int]:
    partition, number = text.split(":")
    return int(partition), int(number)


def _addresses(text: str) -> list[str]:
    return text.split(",")


def main(**commands) -> None:
    """Runs the command that the arguments name; it gets them parsed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=commands)
    parser.add_argument("--brokers", type=_addresses, required=True, metavar="HOST:PORT,HOST:PORT")
    parser.add_argument("--topic", required=True)
    parser.add_argument("--codec", default="default", help="default (the client's own choice), none, gzip, snappy, lz4, zstd")
    parser.add_argument("--acks", default="all", choices=["all", "leader", "none"])
    parser.add_argument("--idempotent", action="store_true")
    parser.add_argument("--count", type=int, default=0, help="how many records to wait for")
    parser.add_argument("--group", help="the group to consume as")
    parser.add_argument("--members", type=int, default=1, help="how many members of the group consume at once")
    parser.add_argument("--from", dest="starts", type=_pair, action="append", metavar="PARTITION:OFFSET",
                        help="where to consume from; every partition from its start if not given")
    parser.add_argument("--at", type=_pair, action="append", default=[], metavar="PARTITION:TIMESTAMP")
    arguments = parser.parse_args()
    commands[arguments.command](arguments)


def deadline():
    """A function that raises once the time is up, for loops that wait for the broker."""
    end = time.monotonic() + LIMIT_SECONDS

    def check(doing):
        if time.monotonic() > end:
            raise TimeoutError(doing)

    return check
