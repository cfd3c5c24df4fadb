#!/usr/bin/env bash
# Runs docker-compose.yml with the profile demo for real and checks what it promises; by hand, not in CI.
#
#   npm ci && bash test/compose.sh          KEEP=1 leaves everything running
#
# Needs a Docker engine, docker-compose (1.29 or later) or the compose plugin, curl, and node_modules.
# It works on a copy of the project in a temporary folder, under a project name and ports of its own, with secrets of
# its own; nothing of a running installation is touched. Prints one line for each step; exit code 1 when one failed.
set -uo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
# Node 24 of the project, whatever the machine has.
export PATH="$root/node_modules/.bin:$PATH"
export COMPOSE_PROJECT_NAME="vovgw-compose-$$"
export GATEWAY_PORT=${GATEWAY_PORT:-18443} PROMETHEUS_PORT=${PROMETHEUS_PORT:-19090} GATEWAY_CONFIG=gateway.demo.yaml
gateway="https://localhost:$GATEWAY_PORT"
prometheus="http://127.0.0.1:$PROMETHEUS_PORT"
faults=0

if docker compose version >/dev/null 2>&1; then compose=(docker compose); else compose=(docker-compose); fi
dc() { (cd "$work" && "${compose[@]}" --profile demo "$@"); }

now() { date +%s.%N; }
since() { awk -v a="$1" -v b="$(now)" 'BEGIN { printf "%.1f s", b - a }'; }
ok() { printf 'ok      %-46s %s\n' "$1" "${2:-}"; }
fail() { printf 'FAILED  %-46s %s\n' "$1" "${2:-}"; faults=$((faults + 1)); }
check() { if [ "$2" = "$3" ]; then ok "$1" "$2"; else fail "$1" "got “$2”, not “$3”"; fi; }
die() { fail "$@"; exit 1; }

finish() {
  local code=$?
  if [ "$faults" -gt 0 ] || [ "$code" -ne 0 ]; then
    printf '\nlast lines of the containers:\n'
    dc logs --tail 20 --no-color 2>/dev/null | cut -c 1-400
  fi
  if [ "${KEEP:-}" = 1 ]; then
    printf '\nkept: cd %s && COMPOSE_PROJECT_NAME=%s %s --profile demo ps\n' "$work" "$COMPOSE_PROJECT_NAME" "${compose[*]}"
  else
    dc down --volumes --timeout 10 >/dev/null 2>&1
    rm -rf "$work"
  fi
  [ "$faults" -eq 0 ] && [ "$code" -eq 0 ] && exit 0
  printf '\n%d step(s) failed\n' "$faults"
  exit 1
}
trap finish EXIT

id_of() { dc ps -q "$1"; }
health_of() { docker inspect --format '{{.State.Health.Status}}' "$(id_of "$1")" 2>/dev/null; }
# until_is SECONDS WANTED COMMAND…: runs the command until it prints WANTED.
until_is() {
  local end=$((SECONDS + $1)) wanted=$2
  shift 2
  until [ "$("$@" 2>/dev/null)" = "$wanted" ]; do
    [ "$SECONDS" -ge "$end" ] && return 1
    sleep 0.5
  done
}
# status METHOD PATH [CURL ARGUMENT…]: the HTTP status, with the body in $work/body.
status() {
  local method=$1 path=$2
  shift 2
  curl --silent --max-time 20 --cacert "$work/secrets/tls-cert.pem" --output "$work/body" --write-out '%{http_code}' \
    --request "$method" "$@" "$gateway$path"
}
as_alice() { status "$@" --header "Authorization: Bearer $token"; }
query() {
  curl --silent --max-time 10 --get --data-urlencode "query=$1" "$prometheus/api/v1/query" |
    node -e 'let t="";process.stdin.on("data",(d)=>t+=d).on("end",()=>console.log(JSON.parse(t).data.result[0]?.value[1]??""))'
}

# --- the set -------------------------------------------------------------------------------------------------------
(cd "$root" && tar -cf - Dockerfile .dockerignore docker-compose.yml package.json package-lock.json tsconfig.json \
  tsconfig.build.json src standin config deploy) | tar -xf - -C "$work" || die "copy of the project"
(cd "$root" && node deploy/setup-secrets.ts --dir "$work/secrets" --demo >/dev/null) || die "setup of secrets"
sed -i "s#https://localhost:8443#$gateway#" "$work/config/gateway.demo.yaml"
# shellcheck disable=SC2012
export CONTAINER_UID CONTAINER_GID
CONTAINER_UID=$(stat -c %u "$work/secrets/sealing-key") CONTAINER_GID=$(stat -c %g "$work/secrets/sealing-key")

t=$(now)
dc build >"$work/build.log" 2>&1 || { tail -30 "$work/build.log"; die "build"; }
bytes=$(docker image inspect --format '{{.Size}}' vov-gateway)
base=$(docker image inspect --format '{{.Size}}' node:24-bookworm-slim)
ok "build" "$(since "$t"), the gateway's layers $(((bytes - base) / 1000000)) MB"

t=$(now)
dc up -d >"$work/up.log" 2>&1 || { tail -30 "$work/up.log"; die "up"; }
for service in redis gateway prometheus; do
  until_is 90 healthy health_of "$service" && ok "$service is healthy" "$(since "$t")" || die "$service is healthy" "$(health_of "$service")"
done

# --- the container -------------------------------------------------------------------------------------------------
check "the gateway's user is not root" "$(dc exec -T gateway id -u | tr -d '\r')" "$CONTAINER_UID"
dc exec -T gateway sh -c 'touch /app/x /etc/x' >/dev/null 2>&1 && fail "its root is read-only" || ok "its root is read-only"
check "it keeps no capability" "$(dc exec -T gateway sh -c 'grep CapEff /proc/1/status | cut -f 2' | tr -d '\r')" 0000000000000000
check "Redis keeps no capability" "$(dc exec -T redis sh -c 'grep CapEff /proc/1/status | cut -f 2' | tr -d '\r')" 0000000000000000
check "Redis refuses who has no password" "$(dc exec -T redis redis-cli get x 2>&1 | tr -d '\r' | head -n 1)" "NOAUTH Authentication required."
ready=$(dc exec -T gateway node dist/main.js health | tr -d '\r')
check "vovgw health" "$ready" ok
dc exec -T gateway node -e 'fetch("http://127.0.0.1:9464/readyz?verbose").then(async (r) => console.log(await r.text()))' | sed 's/^/          /'

# --- a call --------------------------------------------------------------------------------------------------------
made=$(dc exec -T gateway node dist/main.js token create --user alice --label compose --scope read,submit,control 2>&1)
token=$(grep -oE 'vgw_[A-Za-z0-9_-]+' <<<"$made" | head -n 1)
if [ -n "$token" ]; then ok "token create" "${token%"${token#vgw_????}"}…"; else die "token create" "$made"; fi

check "a call without a token" "$(status GET /api/v3/project/1/project)" 401
check "a call with the token" "$(as_alice GET /api/v3/project/1/project)" 200
check "it reached the queue demo" "$(grep -c demo "$work/body")" 1
job='{"command":"sleep 1","logfile":"JOBLOG.1","rundir":"/tmp","env":"BASE"}'
check "a submission" "$(as_alice POST /api/v3/jobs --header 'Content-Type: application/json' --data "$job")" 200
check "the list of jobs" "$(as_alice GET '/api/v3/query?select=id,statusnc,command&from=System:User:alice')" 200
check "it holds the job" "$(grep -c 'sleep 1' "$work/body")" 1
check "the token as password, as the vendor's scripts do" \
  "$(status POST /api/v3/token --data username=alice --data-urlencode "password=$token")" 200

# --- people --------------------------------------------------------------------------------------------------------
for way in oidc saml; do
  t=$(now)
  # The identity provider may have started a moment after the gateway first asked for it.
  as_bob() { NODE_EXTRA_CA_CERTS="$work/secrets/tls-cert.pem" node "$root/test/compose-sign-in.ts" "$gateway" "$way" bob; }
  until_is 60 "bob 200" as_bob && ok "a person signs in by $way, makes a token and calls" "$(since "$t")" \
    || fail "a person signs in by $way, makes a token and calls" "$(as_bob 2>&1 | tail -n 3)"
done

# --- Prometheus ----------------------------------------------------------------------------------------------------
t=$(now)
until_is 60 1 query 'up{job="vov-gateway"}' && ok "the target is up in Prometheus" "$(since "$t")" || fail "the target is up in Prometheus"
calls='sum(vovgw_requests_total{door="api",code="200"}) >= bool 3'
until_is 60 1 query "$calls" && ok "a query is answered" "requests with 200: $(query 'sum(vovgw_requests_total{code="200"})')" \
  || fail "a query is answered" "$(query 'sum(vovgw_requests_total)')"
check "TLS level towards vovserver" "$(query 'vovgw_upstream_tls_level')" 3
ok "its certificate ends in" "$(query 'floor(vovgw_upstream_certificate_remaining_seconds / 86400)') days"
check "logins at vovserver" "$(query 'sum(vovgw_jwt_logins_total{result="ok"})')" 2
rules=$(curl --silent "$prometheus/api/v1/rules" | grep -o '"type":"alerting"' | wc -l)
check "alert rules loaded" "$rules" "$(grep -c 'alert: ' "$root/deploy/alerts.yml")"
scrape() { dc exec -T gateway node -e 'fetch("http://127.0.0.1:9464/metrics").then(async (r) => process.stdout.write(await r.text()))'; }
scrape >"$work/metrics"
lint=$(dc exec -T prometheus promtool check metrics <"$work/metrics" 2>&1)
lint_code=$?
[ "$lint_code" -eq 0 ] && [ -z "$lint" ] && ok "promtool check metrics" "$(grep -c '^# TYPE' "$work/metrics") metrics" || fail "promtool check metrics" "$lint"
grep -qE "$token|alice|$(cat "$work/secrets/vov-passwords/alice")" "$work/metrics" && fail "no secret or user in the metrics" || ok "no secret or user in the metrics"

# --- restarts ------------------------------------------------------------------------------------------------------
size() { dc exec -T redis redis-cli --no-auth-warning --user gateway --pass "$(cat "$work/secrets/redis-password")" dbsize | tr -dc 0-9; }
before=$(size)
t=$(now)
dc restart redis >/dev/null 2>&1
until_is 60 200 as_alice GET /api/v3/project/1/project && ok "the token works after a restart of Redis" "$(since "$t")" \
  || fail "the token works after a restart of Redis" "$(cat "$work/body")"
after=$(size)
[ "$before" -ge 5 ] && [ "$((before - after))" -le 2 ] && ok "its keys are still there" "$after of $before" || fail "its keys are still there" "$after of $before"
check "nothing was dropped while it loaded" "$(dc logs --no-color redis 2>/dev/null | grep -c CRITICAL)" 0
t=$(now)
dc restart gateway >/dev/null 2>&1
until_is 90 healthy health_of gateway || fail "the gateway is healthy again"
until_is 60 200 as_alice GET /api/v3/project/1/project && ok "and of the gateway, so it is in Redis" "$(since "$t")" \
  || fail "and of the gateway, so it is in Redis" "$(cat "$work/body")"

# --- the end -------------------------------------------------------------------------------------------------------
t=$(now)
dc stop gateway >/dev/null 2>&1
check "exit code of the gateway after SIGTERM" "$(docker inspect --format '{{.State.ExitCode}}' "$(dc ps -q -a gateway 2>/dev/null || id_of gateway)")" 0
ok "it took" "$(since "$t")"
dc logs --no-color gateway >"$work/log" 2>&1
secrets=$(cat "$work"/secrets/{sealing-key,token-key,redis-password} "$work"/secrets/vov-passwords/*)
grep -qF -e "$token" -f <(printf '%s\n' "$secrets") "$work/log" && fail "no secret in the log" || ok "no secret in the log" "$(wc -l <"$work/log") lines"
