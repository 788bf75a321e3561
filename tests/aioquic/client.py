#!/usr/bin/env python3
"""A WebTransport client on aioquic, to see that wt-accept is understood by
somebody who had no part in it.

    client.py publish URL CA ID:TYPE:FILE...
        each line of FILE is a packet of the track, each track has a
        unidirectional stream, written in pieces of 1 to 40 bytes and more
    client.py echo URL CA
        sends on bidirectional and unidirectional streams and in datagrams
        and expects the same back
    client.py refused URL CA
        the session must not be opened; prints the status
"""

import asyncio
import os
import struct
import sys
from urllib.parse import urlparse

from aioquic.asyncio.client import connect
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import (
    DatagramReceived,
    DataReceived,
    HeadersReceived,
    WebTransportStreamDataReceived,
)
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated, StreamDataReceived

DEADLINE = 30  # seconds, for everything
SIZES = [1, 2, 31, 32, 33, 1000, 70000, 300000]
DATAGRAMS = [0, 1, 32, 500, 1100]
CLOSE_CAPSULE = bytes([0x68, 0x43, 4, 0, 0, 0, 0])  # code 0, no reason


class Client(QuicConnectionProtocol):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.h3 = H3Connection(self._quic, enable_webtransport=True)
        self.session = None
        self.status = asyncio.get_running_loop().create_future()
        self.closed = asyncio.Event()
        self.bidi = set()  # the bidirectional streams we opened
        self.streams = {}  # id: bytearray
        self.ended = set()
        self.datagrams = []
        self.change = asyncio.Event()

    def received(self, stream, data, ended):
        self.streams.setdefault(stream, bytearray())
        self.streams[stream] += data
        if ended:
            self.ended.add(stream)

    def quic_event_received(self, event):
        # aioquic takes what comes back on a WebTransport stream that it
        # opened for HTTP/3 frames, so it is not shown those.
        if (isinstance(event, StreamDataReceived) and
                event.stream_id in self.bidi):
            self.received(event.stream_id, event.data, event.end_stream)
            self.change.set()
            return
        if isinstance(event, ConnectionTerminated):
            self.closed.set()
            if not self.status.done():
                self.status.set_exception(ConnectionError(
                    event.reason_phrase or hex(event.error_code)))
        for e in self.h3.handle_event(event):
            if isinstance(e, HeadersReceived):
                if not self.status.done():
                    self.status.set_result(int(dict(e.headers)[b":status"]))
                if e.stream_ended:
                    self.closed.set()
            elif isinstance(e, DataReceived) and e.stream_ended:
                self.closed.set()
            elif isinstance(e, WebTransportStreamDataReceived):
                assert e.session_id == self.session
                self.received(e.stream_id, e.data, e.stream_ended)
            elif isinstance(e, DatagramReceived):
                assert e.stream_id == self.session
                self.datagrams.append(e.data)
        self.change.set()

    async def until(self, condition, what):
        while not condition():
            if self.closed.is_set():
                raise ConnectionError(f"{what}: the session ended")
            self.change.clear()
            # aioquic does not tell of acknowledgements.
            try:
                await asyncio.wait_for(self.change.wait(), 0.05)
            except asyncio.TimeoutError:
                pass

    async def open(self, url):
        self.session = self._quic.get_next_available_stream_id()
        self.h3.send_headers(self.session, [
            (b":method", b"CONNECT"),
            (b":scheme", b"https"),
            (b":authority", url.netloc.encode()),
            (b":path", (url.path or "/").encode()),
            (b":protocol", b"webtransport"),
            (b"origin", b"https://aioquic.example"),
        ])
        self.transmit()
        return await self.status

    def stream(self, uni):
        stream = self.h3.create_webtransport_stream(self.session, uni)
        if not uni:
            self.bidi.add(stream)
        return stream

    async def write(self, stream, data, pieces):
        """In pieces of these sizes, in turn; FIN."""
        at = i = 0
        while at < len(data):
            piece = data[at:at + pieces[i % len(pieces)]]
            at += len(piece)
            i += 1
            self._quic.send_stream_data(stream, piece, False)
            self.transmit()
            if i % 64 == 0:
                await asyncio.sleep(0)  # let acknowledgements in
        self._quic.send_stream_data(stream, b"", True)
        self.transmit()

    async def acknowledged(self, streams):
        # There is no public way to ask; what has ended is taken out.
        await self.until(
            lambda: not any(s in self._quic._streams for s in streams),
            "waiting for acknowledgements")

    async def finish(self):
        self.h3.send_data(self.session, CLOSE_CAPSULE, end_stream=True)
        self.transmit()
        await self.closed.wait()


def packets(spec):
    name, kind, path = spec.split(":", 2)
    out = bytearray()
    with open(path, "rb") as f:
        for line in f.read().splitlines():
            out += struct.pack(">16sI12s", name.encode(), len(line),
                               kind.encode()) + line
    return bytes(out)


async def publish(c, specs):
    streams = []
    for spec in specs:
        streams.append(c.stream(True))
    await asyncio.gather(*(
        c.write(s, packets(spec), list(range(1, 41)) + [500, 3000])
        for s, spec in zip(streams, specs)))
    await c.acknowledged(streams)


async def echo(c):
    sent = {c.stream(False): os.urandom(n) for n in SIZES}
    for s, data in sent.items():
        await c.write(s, data, [1, 100, 2000])
    await c.until(lambda: len(c.ended) == len(sent), "bidirectional echo")
    for s, data in sent.items():
        assert c.streams[s] == data, f"stream {s} is not what was sent"

    c.streams.clear()
    c.ended.clear()
    sent = [os.urandom(n) for n in SIZES]
    for data in sent:
        await c.write(c.stream(True), data, [7, 1200])
    await c.until(lambda: len(c.ended) == len(sent), "unidirectional echo")
    assert all(s % 4 == 3 for s in c.streams)  # the server's
    assert sorted(map(bytes, c.streams.values())) == sorted(sent)

    sent = [os.urandom(n) for n in DATAGRAMS]
    for data in sent:
        c.h3.send_datagram(c.session, data)
        c.transmit()
    await c.until(lambda: len(c.datagrams) == len(sent), "datagram echo")
    assert sorted(c.datagrams) == sorted(sent)


async def run(mode, address, ca, specs):
    url = urlparse(address)
    configuration = QuicConfiguration(
        is_client=True, alpn_protocols=H3_ALPN, max_datagram_frame_size=65536)
    configuration.load_verify_locations(cafile=ca)
    async with connect(url.hostname, url.port, configuration=configuration,
                       create_protocol=Client) as c:
        status = await c.open(url)
        if mode == "refused":
            print(status)
            return 0 if status >= 400 else 1
        if status != 200:
            raise ConnectionError(f"refused: status {status}")
        if mode == "publish":
            await publish(c, specs)
        else:
            await echo(c)
        await c.finish()
    return 0


def main():
    if len(sys.argv) < 4 or sys.argv[1] not in ("publish", "echo", "refused"):
        sys.exit(__doc__)
    mode, address, ca, *specs = sys.argv[1:]
    try:
        return asyncio.run(asyncio.wait_for(run(mode, address, ca, specs),
                                            DEADLINE))
    except asyncio.TimeoutError:
        sys.exit("not done in time")
    except ConnectionError as e:
        sys.exit(str(e))


if __name__ == "__main__":
    sys.exit(main())
