"""An agent in Python that does what its plan says; sizes in MiB, times in seconds.

buffers: held from the start; grow: {after, by, over}; listen: an HTTP server; children: processes forked that share
what is held; signals: handlers of its own; busy: some work all the time.
"""

import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FOLDER = os.environ["HARM_FOLDER"]
kept = []


def tick():
    file = open(f"{FOLDER}/gaps-{os.getpid()}-python", "a", buffering=1)
    last, used = time.monotonic(), time.process_time()
    while True:
        time.sleep(0.01)
        now, cpu = time.monotonic(), time.process_time()
        if now - last > 0.2:
            file.write(f"{time.time() * 1000} {(now - last) * 1000} {(cpu - used) * 1000}\n")
        last, used = now, cpu


def start_ticking():
    threading.Thread(target=tick, daemon=True).start()


def up():
    open(f"{FOLDER}/up-{os.getpid()}", "w").close()


def hold(mib, over=0.0):
    for _ in range(mib):
        kept.append(bytearray(b"x") * (1 << 20))
        time.sleep(over / mib)


def heard(number, _frame):
    with open(f"{FOLDER}/heard", "a") as file:
        file.write(f"{signal.Signals(number).name} {os.getpid()}\n")


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"well")

    def log_message(self, *_):
        pass


def main():
    plan = json.loads(sys.argv[1])
    for name in plan.get("signals", []):
        signal.signal(getattr(signal, name), heard)
    hold(plan.get("buffers", 0))
    for _ in range(plan.get("children", 0)):
        if os.fork() == 0:
            break
    start_ticking()
    if plan.get("listen"):
        server = ThreadingHTTPServer(("127.0.0.1", 8080), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
    up()
    grow = plan.get("grow")
    if grow:
        time.sleep(grow["after"])
        hold(grow["by"], grow["over"])
    while True:
        time.sleep(0.1)
        if plan.get("busy"):
            sum(len(str(row)) for row in [{"i": i} for i in range(20_000)])


def application(_environ, start_response):
    """For gunicorn: what is held is shared by its workers (--preload)."""
    start_response("200 OK", [])
    return [b"well"]


if __name__ == "__main__":
    main()
elif "gunicorn" in sys.modules:
    hold(100)
