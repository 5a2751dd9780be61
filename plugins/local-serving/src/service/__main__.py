"""Serves one model over HTTP: `python service --port 8080 --name NAME --version 1 MODEL_FOLDER`.

The model is loaded once; several workers are forked from the process that has it, so that they share its memory and
none loads it again. The process listens only when it can answer: until then a probe finds no one.
"""

import argparse
import gc
import os
import signal
import socket
import sys
import time

# Connections that wait for a worker. A burst beyond that is refused by the kernel, not by us.
BACKLOG = 2048

# A worker that dies this often in this many seconds will die again: better to end, and be restarted as a whole.
DEATHS = 5
WITHIN = 30.0


def main():
    """Installs what is missing, loads the model, serves it until a signal says otherwise."""
    asked = arguments()
    if asked.requirement:
        provide_requirements(asked.requirement)

    from model import load
    from web import application

    model = load(asked.folder, asked.name, asked.version)
    app = application(model)
    listener = socket.create_server((asked.host, asked.port), backlog=BACKLOG)
    # Connections inherit it. asyncio would leave it out for a socket made here, and each answer, which is two writes,
    # would wait 40 ms for the peer's acknowledgement of its first.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    print(f"serving {asked.name} version {asked.version} on port {asked.port}, {asked.workers} workers", flush=True)
    if asked.workers == 1:
        serve(app, listener)
    else:
        Workers(app, listener, asked.workers).run()


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(prog="service", description="Serves an MLflow model over HTTP.")
    parser.add_argument("folder", help="the model's files, MLmodel among them")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--version", required=True)
    parser.add_argument("--workers", type=int, default=1, help="at most one for each processor is started")
    parser.add_argument("--requirement", action="append", default=[], help="a package that the model needs")
    asked = parser.parse_args()
    asked.workers = max(1, min(asked.workers, os.cpu_count() or 1))
    return asked


def provide_requirements(lines):
    """Ends the process with pip's words when a package cannot be had."""
    from requirements import NotInstalled, provide

    try:
        provide(lines, os.path.abspath("packages"))
    except NotInstalled as error:
        sys.exit(str(error))


def serve(app, listener):
    """Answers until SIGTERM; requests under way are finished."""
    import uvicorn

    config = uvicorn.Config(
        app, log_level="warning", access_log=False, lifespan="off", ws="none", timeout_graceful_shutdown=10
    )
    uvicorn.Server(config).run(sockets=[listener])


class Workers:
    """Processes that accept from one socket. Dead ones are replaced; a signal to this process ends them all."""

    def __init__(self, app, listener, count):
        self.app = app
        self.listener = listener
        self.count = count
        self.pids = set()
        self.stopping = False

    def run(self):
        """Returns when all have ended after a signal; exits when they keep dying."""
        # What the workers share stays shared when no collection writes into it.
        gc.collect()
        gc.freeze()
        signal.signal(signal.SIGTERM, self.stop)
        signal.signal(signal.SIGINT, self.stop)
        for _ in range(self.count):
            self.fork()
        deaths = []
        while self.pids:
            pid, status = os.wait()
            self.pids.discard(pid)
            if self.stopping:
                continue
            now = time.monotonic()
            deaths = [each for each in deaths if now - each < WITHIN] + [now]
            print(f"worker {pid} ended with {os.waitstatus_to_exitcode(status)}, starting another", flush=True)
            if len(deaths) >= DEATHS:
                self.stop(signal.SIGTERM, None)
                sys.exit("the workers keep dying")
            self.fork()

    def fork(self):
        """Starts one worker."""
        pid = os.fork()
        if pid:
            self.pids.add(pid)
            return
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        status = 1
        try:
            serve(self.app, self.listener)
            status = 0
        finally:
            # Not sys.exit: the parent's cleanup is not this process's.
            os._exit(status)

    def stop(self, number, _frame):
        """Passes the signal on."""
        self.stopping = True
        for pid in list(self.pids):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass


if __name__ == "__main__":
    main()
