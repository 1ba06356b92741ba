"""A Python agent that knows nothing of the guardian: python-agent.py MEMORY WORK [MEGABYTES]

MEMORY  cycles (garbage that only a collection frees) | held (a list of strings) | turns (small objects) | none
WORK    sleep (in short pieces) | pause (one second, then sleep) |
        ccall (one sleep of a minute) | grow | busy | asyncio | threads | fork | prefork | interpreter | alarm |
        preload, frozen (its children share what it holds; frozen: with gc.freeze) |
        descriptors (it has opened as many files as it may) |
        fifo, flood (it leaves a FIFO, or megabytes, in place of its answer)
"""
import gc
import os
import sys
import time

memory, work = sys.argv[1], sys.argv[2]
megabytes = int(sys.argv[3]) if len(sys.argv) > 3 else 100
held = []


class Turn:
    def __init__(self, text):
        self.text = text
        self.me = self


def fill():
    gc.disable()  # as many servers do for latency
    if memory == "cycles":
        for i in range(megabytes * 50):
            Turn("%06d" % i + "x" * 20_000)
    if memory == "held":
        for i in range(megabytes * 50):
            held.append("%06d" % i + "x" * 20_000)
    if memory == "turns":
        for i in range(megabytes * 2500):
            held.append({"number": i, "words": ["a", "b"]})


def say(text):
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def tick(seconds=0.02):
    say("tick")
    time.sleep(seconds)


def children(count, begin=fill):
    pids = []
    for _ in range(count):
        pid = os.fork()
        if pid == 0:
            begin()
            say("ready %d" % os.getpid())
            while os.getppid() != 1:
                tick()
            os._exit(0)
        pids.append(pid)
    return pids


if work != "prefork":
    fill()
if work == "fork":
    pid = os.fork()
    if pid:
        os.waitpid(pid, 0)
        os._exit(0)
if work == "asyncio":
    import asyncio
if work == "threads":
    import threading
if work == "alarm":
    import signal
if work == "interpreter":
    from concurrent import interpreters
if work == "descriptors":
    import resource

    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    try:
        while True:
            os.dup(0)
    except OSError:
        pass
if work in ("fifo", "flood"):
    import posix
    import threading

    rename = posix.rename

    def leave(part, result):
        if work == "fifo":
            os.mkfifo(result)
            # whoever waits for somebody to write waits for three seconds, not for ever
            return threading.Timer(3, lambda: open(result, "wb")).start()
        os.truncate(part, 4_000_000)
        rename(part, result)

    posix.rename = leave
if work not in ("prefork", "preload", "frozen"):
    say("ready %d" % os.getpid())
if work in ("sleep", "fork", "descriptors", "fifo", "flood"):
    while True:
        tick()
elif work == "pause":
    time.sleep(1)
    while True:
        tick()
elif work == "grow":

    class Record:
        __slots__ = ("number", "rest", "next")

    while True:
        for i in range(20000):
            record = Record()
            record.number = i
            held.append(record)
        tick()
elif work == "ccall":
    time.sleep(60)
elif work == "busy":
    while True:
        sum(range(1000))
elif work == "asyncio":
    async def serve():
        while True:
            say("tick")
            await asyncio.sleep(0.02)

    asyncio.run(serve())
elif work == "threads":
    for _ in range(8):
        threading.Thread(target=lambda: [sum(range(1000)) for _ in iter(int, 1)], daemon=True).start()
    while True:
        tick()
elif work == "prefork":
    children(2)
    while True:
        time.sleep(0.1)
elif work in ("preload", "frozen"):
    if work == "frozen":
        gc.freeze()
    children(3, lambda: None)
    while True:
        time.sleep(0.1)
elif work == "interpreter":
    other = interpreters.create()
    while True:
        other.exec("x = [0] * 10")
        tick()
elif work == "alarm":
    class Late(Exception):
        pass

    def late(number, frame):
        raise Late(number)

    signal.signal(signal.SIGALRM, late)
    while True:
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        end = time.monotonic() + 2
        try:
            while time.monotonic() < end:
                sum(range(1000))
            say("lost")
        except Late as error:
            say("late %s" % error.args)
