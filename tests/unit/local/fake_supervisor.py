"""A supervisor in name only, for tests of the backend: obeys the contract's processes, trains nothing.

FAKE_STEPS says how many steps it counts to, FAKE_MODE how it misbehaves: `stubborn` ignores SIGTERM, `silent` leaves no
termination message and exits 3, `bad-data` makes the preparation exit 65, `wait` never makes a step, `hang` only half
of them, `undirected` follows no directive.
"""

import json
import os
import signal
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

E = os.environ
MODE, STEPS = E.get("FAKE_MODE", ""), int(E.get("FAKE_STEPS", "20"))
ROLE, INDEX, ATTEMPT = E["WATTRAIN_ROLE"], int(E["WATTRAIN_WORKER_INDEX"]), int(E["WATTRAIN_ATTEMPT"])
LATEST = Path(E["WATTRAIN_CHECKPOINT_DIR"]) / "LATEST"
ENERGY = {"component": "cpu", "source": "model", "watts": 3.0, "joules": 10.0, "lowJoules": 4.0, "highJoules": 20.0}
progress = {
    "version": 1, "job": E["WATTRAIN_JOB"], "role": ROLE, "attempt": ATTEMPT, "generation": 0, "worker": INDEX,
    "uid": E["WATTRAIN_CHILD_UID"], "phase": "starting", "power": [{**ENERGY, "device": ""}],
}  # fmt: skip
stopped = threading.Event()
FIRST = f"{E['WATTRAIN_JOB']}-{ATTEMPT}-0.json"
DIRECTIVE = Path(E["WATTRAIN_TERMINATION_FILE"]).parents[1] / "directives" / FIRST  # real ones tell each other


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        pages = {
            "/healthz": b"ok",
            "/v1/progress": json.dumps(progress).encode(),
            "/metrics": b"# TYPE wattrain_worker_loss gauge\nwattrain_worker_loss 0.5\n",
        }  # fmt: skip
        self.send_response(200)
        self.end_headers()
        self.wfile.write(pages[self.path])

    def log_message(self, *_):
        pass


def end(code, **message):
    if MODE != "silent":
        message = {"version": 1, "exitCode": code, "step": progress.get("step", 0), "energy": [ENERGY], **message}
        Path(E["WATTRAIN_TERMINATION_FILE"]).write_text(json.dumps(message))
    sys.stdout.flush()
    os._exit(code)


def save(step):
    """A checkpoint, whole or not there, whenever this process is killed."""
    new = LATEST.with_name(f"{LATEST.name}.new")
    new.write_text(str(step))
    new.replace(LATEST)


def watch_parent():
    os.read(int(E["WATTRAIN_PARENT_FD"]), 1)
    stopped.set()


def main():
    if MODE == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    server = HTTPServer(("127.0.0.1", 0), Handler, bind_and_activate=False)
    server.socket = socket.socket(fileno=int(E["WATTRAIN_LISTEN_FD"]))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    threading.Thread(target=watch_parent, daemon=True).start()
    sys.stdout.write(f"fake {ROLE} {INDEX} of attempt {ATTEMPT}\ncpus: {E['WATTRAIN_CPU_LIMIT']}\n")
    sys.stdout.flush()
    if ROLE == "prepare":
        if MODE == "bad-data":
            cause = {"rank": 0, "reason": "BadData", "exitCode": 65, "lastLine": "error: line 3 is no number"}
            end(65, cause=cause)
        (Path(E["WATTRAIN_DATA_DIR"]) / "prepare.json").write_text("{}")
        end(0)
    train()


def is_directed_to_stop():
    text = "" if MODE == "undirected" else DIRECTIVE.read_text()
    if not text:
        return False
    directive = json.loads(text)
    progress["directiveVersion"] = directive["version"]
    return directive.get("stopAtStep") == 0


def train():
    workers = [{"worker": INDEX, "uid": progress["uid"], "energy": [ENERGY]}]
    group = {"samplesPerSecond": 100.0, "watts": 6.0, "energy": [ENERGY], "workers": workers, "restarts": []}
    first = int(LATEST.read_text()) if LATEST.exists() else 0
    step = first
    progress.update(totalSteps=STEPS, epochs=2, step=step, resumed={"step": first}, group=group)
    while step < STEPS and not stopped.is_set():
        if MODE != "wait" and not (MODE == "hang" and step >= STEPS // 2):
            step += 1
            progress.update(phase="training", step=step, epoch=step * 2 // STEPS, loss=1.0 / step, samples=step * 4)
            if INDEX == 0:
                with Path(E["WATTRAIN_METRICS_FILE"]).open("a") as file:
                    file.write(json.dumps({"step": step, "loss": 1.0 / step, "attempt": ATTEMPT}) + "\n")
                if step % 5 == 0:
                    save(step)
                    progress["checkpoint"] = {"step": step, "groupJoules": 1.0}
        if is_directed_to_stop():
            stopped.set()
        stopped.wait(0.02)
    if stopped.is_set():
        if INDEX == 0 and step:
            save(step)
        end(143, cause={"rank": INDEX, "reason": "Preempted", "exitCode": 143, "step": step})
    if MODE == "silent":
        end(3)
    end(0, loss=1.0 / step, phase="done", test={"step": step, "loss": 0.1, "accuracy": 0.99}, model={"path": "model"})


if __name__ == "__main__":
    main()
