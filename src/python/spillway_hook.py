"""Lets a Spillway guardian beside this process collect its garbage: ``import spillway_hook``.

For CPython 3.8 to 3.13 and free-threaded builds; from 3.14 on the guardian needs no hook. One daemon thread waits at an
abstract Unix socket that serves processes of the same user only. Importing never fails and prints nothing; where there
are no such sockets (not Linux) it does nothing.

Without touching the program: put this file on ``PYTHONPATH`` with a ``sitecustomize.py`` that says
``import spillway_hook``, or into ``site-packages`` beside a ``spillway.pth`` of that one line.
"""

import os

__all__ = ()


# -- work: the same text as in the guardian ---------------------------------------------------------------------------
# It may run while the program is in the midst of an import, so it imports only what is written in C.
def _spillway_rss():
    import posix

    with open("/proc/self/statm", "rb") as statm:
        return int(statm.read().split()[1]) * posix.sysconf("SC_PAGE_SIZE")


def _spillway_shared():
    """Anonymous memory that other processes have too, in bytes, at least: what they were forked with and have not written to."""
    sizes = {}
    try:
        with open("/proc/self/smaps_rollup", "rb") as rollup:
            for line in rollup.readlines()[1:]:
                sizes[line.split(b":")[0]] = int(line.split()[1]) * 1024
    except Exception:
        pass  # unknown
    return sizes.get(b"Anonymous", 0) - sizes.get(b"Pss_Anon", sizes.get(b"Anonymous", 0))


def _spillway_collect():
    """Collects and returns free pages to the system; everything in bytes and milliseconds."""
    import gc
    import sys
    import time

    # a collection writes to every object that can hold others, which copies their pages: 206 MB more of 333 were measured
    shared = _spillway_shared()
    if shared > 32000000 and gc.get_freeze_count() == 0:
        return {"shared": shared}
    start, busy = time.perf_counter(), time.thread_time()
    blocks = sys.getallocatedblocks()
    rss = _spillway_rss()
    unreachable = gc.collect()
    busy = time.thread_time() - busy
    trimmed = None
    try:
        import _ctypes

        trim = _ctypes.dlsym(_ctypes.dlopen(None, 2), "malloc_trim")
        trimmed = _ctypes.call_function(trim, (0,)) == 1
    except Exception:
        pass  # no _ctypes, or not glibc
    end = time.perf_counter()
    return {
        "unreachable": unreachable,
        "trimmed": trimmed,
        "stallMs": (end - start) * 1000,
        "collectMs": busy * 1000,
        "blocksBefore": blocks,
        "blocksAfter": sys.getallocatedblocks(),
        "rssBefore": rss,
        "rssAfter": _spillway_rss(),
    }


def _spillway_profile():
    """Who holds memory: allocation sites where tracemalloc runs, else a census of classes, counted for 200 ms at most."""
    import time

    start = time.perf_counter()
    traces = _spillway_traces()
    if traces is None:
        kind, (sites, total) = "class", _spillway_census(start)
    else:
        kind, (sites, total) = "function", _spillway_sites(traces)
    return {
        "kind": kind,
        "sites": sites,
        "totalBytes": total,
        "stallMs": (time.perf_counter() - start) * 1000,
    }


def _spillway_traces():
    import sys

    try:
        import _tracemalloc

        # the list of traces costs some 130 bytes for each block: at most 40 MB
        if _tracemalloc.is_tracing() and sys.getallocatedblocks() < 300000:
            return _tracemalloc._get_traces()
    except Exception:
        pass
    return None


def _spillway_sites(traces):
    sizes = {}
    for trace in traces:
        site = trace[2][0]
        sizes[site] = sizes.get(site, 0) + trace[1]
    top = sorted(sizes.items(), key=lambda item: -item[1])
    sites = [{"name": "", "file": site[0], "line": site[1], "bytes": size} for site, size in top[:100]]
    return sites, sum(sizes.values())


def _spillway_gcd(a, b):
    while b:
        a, b = b, a % b
    return a


def _spillway_census(start):
    import gc
    import sys
    import time

    # the list of all objects costs eight bytes each: at most 40 MB
    if sys.getallocatedblocks() > 5000000:
        raise MemoryError("more objects than can be listed cheaply")
    objects = gc.get_objects()
    count = len(objects)
    # a stride by chance that meets each object once: any part of the walk is a fair sample
    step = count
    while _spillway_gcd(step, count) != 1:
        step = time.time_ns() // 100 % count + 1
    counted, sampled, seen, large = {}, {}, set(), set()

    def add(held, sizes, weight=1):
        if id(held) in seen:
            return
        seen.add(id(held))
        try:
            kind = type(held)
            sizes[kind] = sizes.get(kind, 0) + sys.getsizeof(held) * weight
        except Exception:
            pass  # a class of the program's own that does not want it

    def add_with_held(container, sizes):
        # strings, numbers and the like are in no list of objects: they count with what holds them
        add(container, sizes)
        held = gc.get_referents(container)
        each = len(held) // 2000 + 1
        for one in held[::each]:
            if not gc.is_tracked(one):
                add(one, sizes, each)

    # few hold much, and by chance would count for nothing or for all: those are looked at one by one
    for first in range(0, count, 4096):
        for obj in objects[first : first + 4096]:
            if type(obj) in (list, dict, tuple, set) and len(obj) > 1000:
                large.add(id(obj))
                add_with_held(obj, counted)
        if time.perf_counter() > start + 0.1:
            break
    visited = 0
    for visited in range(1, count + 1):
        obj = objects[visited * step % count]
        if id(obj) not in large:
            add_with_held(obj, sampled)
        if visited % 256 == 0 and time.perf_counter() > start + 0.2:
            break
    del objects
    sizes = counted
    for kind, size in sampled.items():
        sizes[kind] = sizes.get(kind, 0) + size * count // max(1, visited)
    top = sorted(sizes.items(), key=lambda item: -item[1])
    sites = []
    for kind, size in top[:100]:
        module = getattr(kind, "__module__", "builtins")
        name = getattr(kind, "__qualname__", kind.__name__)
        if module != "builtins":
            name = "%s.%s" % (module, name)
        sites.append({"name": name, "file": None, "line": None, "bytes": size})
    return sites, sum(sizes.values())


def _spillway_json(value):
    if isinstance(value, dict):
        return "{%s}" % ",".join(_spillway_json(key) + ":" + _spillway_json(value[key]) for key in value)
    if isinstance(value, (list, tuple)):
        return "[%s]" % ",".join(_spillway_json(one) for one in value)
    if isinstance(value, str):
        plain = [char if " " <= char <= "~" and char not in _SPILLWAY_ESCAPED else _spillway_escape(char) for char in value]
        return '"%s"' % "".join(plain)
    if value is None:
        return "null"
    return repr(value).lower()  # numbers, True and False


_SPILLWAY_ESCAPED = ('"', chr(92))


def _spillway_escape(char):
    return "%su%04x" % (chr(92), min(ord(char), 0xFFFD))


# -- end of work ------------------------------------------------------------------------------------------------------

_PEER_SECONDS = 5.0
_RETRY_SECONDS = 0.25
_socket = None


def _listen():
    import binascii
    import socket

    # all of the 108 bytes of an address: how a shorter one is padded differs between programs
    name = "spillway-hook-%d-" % os.getpid()
    name += binascii.hexlify(os.urandom(64)).decode()[: 107 - len(name)]
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind("\0" + name)
    listener.listen(2)
    return listener


def _serve(listener):
    import time

    spare = _spare()
    while True:
        try:
            peer, _ = listener.accept()
        except Exception:
            if listener.fileno() < 0:
                return  # closed: the child of a fork listens by itself
            time.sleep(_RETRY_SECONDS)  # no descriptor is left: a program that leaks them leaks memory, too
            continue
        try:
            if spare is not None:
                os.close(spare)  # for what the work opens
            peer.settimeout(_PEER_SECONDS)
            _answer(peer)
        except Exception:
            pass  # the guardian sees no answer, the program nothing
        finally:
            spare = _spare()
            peer.close()


def _spare():
    try:
        return os.open("/dev/null", os.O_RDONLY)
    except Exception:
        return None


def _answer(peer):
    import json
    import socket
    import struct

    credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    asked = b""
    while not asked.endswith(b"\n") and len(asked) < 256:
        piece = peer.recv(256)
        if not piece:
            return
        asked += piece
    try:
        if struct.unpack("3i", credentials)[1] != os.geteuid():
            raise PermissionError("only processes of the user %d are served" % os.geteuid())
        command = json.loads(asked.decode())["do"]
        work = {"facts": _facts, "gc": _spillway_collect, "profile": _spillway_profile}[command]
        answer = {"ok": work()}
    except Exception as error:
        answer = {"error": "%s: %s" % (type(error).__name__, error)}
    peer.sendall(_spillway_json(answer).encode() + b"\n")


def _facts():
    import gc
    import sys

    return {
        "pid": os.getpid(),
        "version": sys.version.split()[0],
        "rss": _spillway_rss(),
        "blocks": sys.getallocatedblocks(),
        "counts": list(gc.get_count()),
    }


def _start():
    global _socket
    try:
        import threading

        if _socket is not None:
            _socket.close()  # a forked child's copy of its parent's
        _socket = _listen()
        threading.Thread(target=_serve, args=(_socket,), name="spillway-hook", daemon=True).start()
    except Exception:
        _socket = None


_start()
try:
    os.register_at_fork(after_in_child=_start)
except Exception:
    pass
