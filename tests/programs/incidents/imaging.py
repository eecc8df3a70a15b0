#!/usr/bin/python3
"""imaging SECONDS: a service in Python whose native extension, imaging.c, forks
without waiting, as a gem for Ruby did.

  to blame                             well-behaved neighbours
  imaging_convert  never waits for it  imaging_probe  waits
                                       checksum       subprocess.run waits
"""

import ctypes
import pathlib
import subprocess
import sys
import time

REQUESTS_PER_SECOND = 10

imaging = ctypes.CDLL(str(pathlib.Path(__file__).resolve().parent / "libimaging.so"))


def checksum(image):
    subprocess.run(["true", image], check=True)


def handle_upload(image):
    checksum(image)
    imaging.imaging_probe(image.encode())
    imaging.imaging_convert(image.encode())


def main():
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    start = time.monotonic()
    for upload in range(seconds * REQUESTS_PER_SECOND):
        handle_upload(f"{upload}.png")
        time.sleep(max(0, start + (upload + 1) / REQUESTS_PER_SECOND - time.monotonic()))


main()
