"""What a program does that talks HTTP itself: one session, the token form, then one read for each job id. Prints JSON lines."""

import json
import os
import sys

import requests

url = os.environ["NC_URL"]
session = requests.Session()
session.verify = os.environ.get("VOV_REST_CA", False)
reply = session.post(url + "/api/v3/token", data={"username": os.environ["USER"], "password": sys.stdin.readline().strip()})
if reply.status_code > 300:
    print(json.dumps({"status": reply.status_code, "error": reply.json()["error"]}))
    sys.exit(1)
token = reply.json()
headers = {"Authorization": token["token_type"] + ":" + token["access_token"]}
for jobid in sys.argv[1:]:
    job = session.get(url + "/api/v3/jobs/" + jobid, headers=headers).json()
    fields = [column["field"] for column in job["columns"]]
    print(json.dumps(dict(zip(fields, job["rows"][0]))))
