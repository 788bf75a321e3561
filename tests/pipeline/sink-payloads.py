#!/usr/bin/env python3
"""Payload files for the sinks, made by ffmpeg: 10 each of p-jpeg-N,
p-vp8-N, p-vp9-N, p-pcm-N (with header), p-raw-N (without), in the
current directory."""

import struct
import subprocess

N = 10


def ffmpeg(*args):
    return subprocess.run(
        ["ffmpeg", "-v", "error", "-f", "lavfi", *args, "-"],
        stdout=subprocess.PIPE, check=True).stdout


def write(kind, i, data):
    with open(f"p-{kind}-{i}", "wb") as f:
        f.write(data)


def jpegs():
    data = ffmpeg("-i", "testsrc=size=160x120:rate=10", "-frames:v", str(N),
                  "-f", "mjpeg")
    pictures = data.split(b"\xff\xd8\xff")[1:]
    for i, p in enumerate(pictures):
        write("jpeg", i, b"\xff\xd8\xff" + p)


def chunks(kind, encoder, codec):
    data = ffmpeg("-i", "testsrc=size=160x120:rate=10", "-frames:v", str(N),
                  "-c:v", encoder, "-b:v", "200k", "-lag-in-frames", "0",
                  "-auto-alt-ref", "0", "-f", "ivf")
    at = 32
    for i in range(N):
        size, pts = struct.unpack_from("<IQ", data, at)
        frame = data[at + 12:at + 12 + size]
        at += 12 + size
        write(kind, i, struct.pack(">4sBBHHHQI", b"WCV1", codec, i == 0, 0,
                                   160, 120, 5000000 + i * 100000, 100000)
              + frame)


def samples():
    data = ffmpeg("-i", "sine=frequency=440:sample_rate=44100:duration=1",
                  "-f", "s16le", "-ac", "1")
    for i in range(N):
        part = data[i * 882:(i + 1) * 882]
        write("raw", i, part)
        write("pcm", i, struct.pack(">4sIHHQ", b"PCM1", 44100, 1, 16,
                                    i * 10000) + part)


jpegs()
chunks("vp8", "libvpx", 1)
chunks("vp9", "libvpx-vp9", 2)
samples()
