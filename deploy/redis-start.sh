#!/bin/sh
# Starts Redis for the gateway: the ACL made from the secret file, every write in an append-only file, nothing evicted.
set -eu
umask 077

acl=/run/redis/users.acl
hash=$(tr -d '\r\n' </run/secrets/redis-password | sha256sum | cut -d ' ' -f 1)
# INFO tells the client that Redis has loaded its data, TIME is the clock of the scripts, CONFIG GET what Redis keeps. Scripts may only call what their user may call.
# Without a password nobody is the user `default`. It must not be `off` or restricted: Redis 7.0 reads its append-only file as
# that user, and drops every transaction that the user may not run.
cat >"$acl" <<ACL
user default on resetpass ~* &* +@all
user health on nopass -@all +ping
user gateway on #$hash ~vovgw:* &vovgw:* -@all +@read +@write +@connection +@pubsub +@scripting +@transaction -@dangerous +info +time +config|get
ACL
chown redis:redis "$acl" /run/redis /data

exec setpriv --reuid=redis --regid=redis --clear-groups redis-server \
  --aclfile "$acl" \
  --dir /data \
  --appendonly yes \
  --appendfsync always \
  --maxmemory "${REDIS_MAXMEMORY:-256mb}" \
  --maxmemory-policy noeviction
