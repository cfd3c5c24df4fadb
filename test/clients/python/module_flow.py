"""What a program does that uses the module: sign in, ask for the queue, submit, list its own jobs. Prints JSON lines."""

import json
import os
import sys

import vov_rest_v3

url = os.environ["NC_URL"]
rest = vov_rest_v3.VOVRestV3()
rest.authorize(url, sys.stdin.readline().strip())

print(json.dumps({"queue": json.loads(rest.submitRequest("GET", url + "/api/v3/project/1/project"))["rows"][0][0]}))

job = {"command": "sleep 33", "logfile": "LOG." + sys.argv[1], "rundir": "/tmp", "env": "BASE", "priority,sched": 4}
jobid = json.loads(rest.submitRequest("POST", url + "/api/v3/jobs", jsonData=job))["jobid"]
print(json.dumps({"jobid": int(jobid)}))

query = url + "/api/v3/query?select=id,statusnc,PRIORITYPP,host,command&from=System:User:" + os.environ["USER"]
listed = json.loads(rest.submitRequest("GET", query))
print(json.dumps({"columns": [c["field"] for c in listed["columns"]], "rows": listed.get("rows", [])}))

# A token may travel to another process.
other = vov_rest_v3.VOVRestV3()
other.setJWT(rest.getJWT())
print(json.dumps({"version": json.loads(other.submitRequest("GET", url + "/api/v3/project/1/version"))["rows"][0][0]}))
