"""Each worker ticks, as each could be stopped."""

import sys

sys.path.insert(0, __file__.rpartition("/")[0])
bind, workers, preload_app, wsgi_app = "127.0.0.1:8080", 4, True, "agent:application"


def post_worker_init(_worker):
    import agent

    agent.start_ticking()
    agent.up()
