"""Drives the gateway's own module by a list of steps in JSON on standard input; prints one JSON line for each step."""

import json
import os
import sys
import threading

import vov_rest_v3

rest = None
for step in json.loads(sys.stdin.read()):
    what = step.pop("do")
    if "env" in step:
        os.environ.update(step.pop("env"))
    try:
        if what == "new":
            rest, result = vov_rest_v3.VOVRestV3(**step), None
        elif what == "wait":
            # The other side changes something, and says so with a file.
            import time

            while not os.path.exists(step["file"]):
                time.sleep(0.02)
            result = None
        elif what == "spawn":
            # A step in a thread of its own, which `join` waits for.
            other = step["step"]
            told = []

            def run():
                try:
                    told.append(getattr(rest, other.pop("do"))(**other))
                except vov_rest_v3.VOVError as error:
                    told.append(type(error).__name__)

            thread, result = threading.Thread(target=run), None
            thread.start()
        elif what == "join":
            thread.join()
            result = told[0]
        elif what == "touch":
            result = open(step["file"], "w").close()
        else:
            result = getattr(rest, what)(**step)
        print(json.dumps({"result": result}), flush=True)
    except vov_rest_v3.VOVError as error:
        facts = {name: getattr(error, name, None) for name in ("status", "code", "retry_after", "request_id")}
        kinds = [kind.__name__ for kind in type(error).__mro__]
        print(json.dumps({"error": type(error).__name__, "kinds": kinds, "text": str(error), **facts}), flush=True)
