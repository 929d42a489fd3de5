# The Compose files: what they promise while replicas are killed, exchanged, added and taken away.

project=regrow-test-$$ dir=$work/compose

# Whichever Compose is there. It runs in a copy of our directory, because the secrets are made beside the files.
compose_find() {
  if docker compose version >/dev/null 2>&1; then
    COMPOSE='docker compose'
  elif docker-compose version >/dev/null 2>&1; then
    COMPOSE=docker-compose
  else
    skip 'Compose: there is neither `docker compose` nor docker-compose'
    return 1
  fi
  export COMPOSE
  echo "      $($COMPOSE version | head -n 1)"
}

# compose FILE ARGUMENT…
compose() {
  local file=$dir/$1.yaml
  shift
  # shellcheck disable=SC2086
  COMPOSE_PROJECT_NAME=$project $COMPOSE -f "$file" "$@"
}

replicas() { compose compose ps -q regrow; }
any_replica() { docker ps -q --filter "label=com.docker.compose.project=$project" \
  --filter label=com.docker.compose.service=regrow --filter health=healthy | head -n 1; }

compose_checks() {
  compose_find || return
  base POSTGRES_IMAGE postgres:17-bookworm postgres || return
  base HAPROXY_IMAGE haproxy:3.0-bookworm haproxy || return
  cp -r "$root/deploy/compose" "$dir"
  chmod 0755 "$dir"
  rm -rf "$dir/secrets" "$dir/.env"
  export REGROW_IMAGE=$image REGROW_PUBLISH=127.0.0.1:0 COMPOSE_PROJECT_NAME=$project
  single_checks
  cluster_checks
}

compose_end() {
  [ -n "${COMPOSE:-}" ] || return 0
  compose compose down --volumes >/dev/null 2>&1
  compose single down --volumes >/dev/null 2>&1
  docker image rm "$project:next" "$project:broken" >/dev/null 2>&1
}

published() {
  REGROW_URL=http://$(docker port "$(compose "$1" ps -q "$2")" "$3/tcp" | head -n 1)
  export REGROW_URL
}

single_checks() {
  local said token begin
  said=$(compose single config 2>&1)
  if [[ $said == *REGROW_SECRETS_GID*deploy/compose/init* ]]; then
    ok 'without secrets, Compose says how to make them'
  else
    fail "without secrets, Compose says: $said"
  fi
  "$dir/init" >/dev/null
  token=$(cat "$dir/secrets/gateway-token")
  "$dir/init" >/dev/null
  equal 'secrets are made once' "$(cat "$dir/secrets/gateway-token")" "$token"
  export REGROW_TOKEN_FILE=$dir/secrets/gateway-token

  begin=$SECONDS
  check 'single: it starts' compose single up --detach --no-build
  check 'single: it becomes healthy' within 60 health "$(compose single ps -q regrow)" healthy
  published single regrow 18789
  check "single: it answers, $((SECONDS - begin)) s after the start" python3 "$root/tests/talk.py" ask --words 5
  local before
  before=$(sessions)
  compose single down >/dev/null 2>&1
  check 'single: it starts again' compose single up --detach --no-build
  check 'single: it becomes healthy again' within 60 health "$(compose single ps -q regrow)" healthy
  equal 'single: and remembers' "$(sessions)" "${before:-nothing before}"

  mv "$dir/secrets/gateway-token" "$dir/secrets/elsewhere"
  compose single up --detach --no-build --force-recreate >/dev/null 2>&1
  check 'single: a missing secret is named' within 20 named "$(compose single ps -a -q regrow 2>/dev/null || compose single ps -q regrow)"
  mv "$dir/secrets/elsewhere" "$dir/secrets/gateway-token"
  compose single down --volumes >/dev/null 2>&1
}

sessions() { docker exec "$(compose single ps -q regrow)" /regrow sessions list --json; }
named() { docker logs "$1" 2>&1 | grep -q 'cannot read /run/secrets/regrow/gateway-token'; }

cluster_checks() {
  local begin=$SECONDS id
  check 'three replicas, PostgreSQL and the balancer start' compose compose up --detach --no-build
  for id in $(replicas); do
    check "replica ${id:0:12} is healthy and answers" within 60 answers "$id"
  done
  equal 'there are three' "$(replicas | wc -l)" 3
  published compose balancer 8080
  check "they answer through the balancer" within 10 python3 "$root/tests/talk.py" ask --words 5
  echo "      all of it $((SECONDS - begin)) s after the start"
  kill_checks
  store_checks
  load_checks
  secret_checks
  begin=$SECONDS
  compose compose stop regrow >/dev/null 2>&1
  # shellcheck disable=SC2046
  equal "all stop with 0, in $((SECONDS - begin)) s" \
    "$(docker inspect --format '{{.State.ExitCode}}' $(stopped) | xargs)" '0 0 0'
}

stopped() { docker ps -a -q --filter "label=com.docker.compose.project=$project" \
  --filter label=com.docker.compose.service=regrow; }

answers() {
  [ "$(docker exec "$1" /regrow agent --url http://127.0.0.1:18789 --session-key "$1" --message '/long 3')" = 'word1 word2 word3' ]
}

kill_checks() {
  python3 "$root/tests/talk.py" survive --conversations 12 --words 200 >"$work/survived" 2>&1 &
  local talking=$! victim address
  within 30 grep -q talking "$work/survived"
  # The one that runs most.
  address=$(docker exec "$(any_replica)" /regrow replicas --runs --json |
    python3 -c 'import json, sys; print(max(map(json.loads, sys.stdin), key=lambda r: len(r["runs"]))["address"].split(":")[0])')
  victim=$(docker ps -q --filter "label=com.docker.compose.project=$project" | while read -r id; do
    docker inspect --format '{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}' "$id" | grep -q -w "$address" && echo "$id"
  done)
  if [ "$(id -u)" -eq 0 ]; then
    # From outside of Docker, so that it takes it for a crash.
    kill -KILL "$(docker inspect --format '{{.State.Pid}}' "$victim")"
  else
    docker kill "$victim" >/dev/null
  fi
  ends_well 'a replica is killed in mid-reply, every reply is given whole and once' "$talking" "$work/survived"
  check 'the kill met streams' grep -q 'asked again [1-9]' "$work/survived"
  [ "$(id -u)" -eq 0 ] || docker start "$victim" >/dev/null
  check 'it is started again and becomes healthy' within 60 health "$victim" healthy
}

store_checks() {
  local id store before
  before=$(restarts)
  store=$(compose compose ps -q postgres)
  docker stop "$store" >/dev/null
  for id in $(replicas); do
    check "without the store replica ${id:0:12} is unhealthy" within 60 health "$id" unhealthy
  done
  docker start "$store" >/dev/null
  for id in $(replicas); do
    check "with it, it is healthy again" within 60 health "$id" healthy
  done
  equal 'nobody was restarted for it' "$(restarts)" "$before"
  check 'and they answer' within 30 python3 "$root/tests/talk.py" ask --words 5
}

# shellcheck disable=SC2046
restarts() { docker inspect --format '{{.RestartCount}}' $(replicas) | xargs; }

load_checks() {
  local id
  for id in next broken; do
    { echo "FROM $image"; echo "LABEL test=$id"; [ $id = next ] || echo 'CMD ["no-such-command"]'; } |
      docker build -q -t "$project:$id" - >/dev/null 2>&1
  done
  python3 "$root/tests/talk.py" load --conversations 12 --words 40 --until "$work/enough" >"$work/loaded" 2>&1 &
  local talking=$! begin
  within 30 grep -q talking "$work/loaded"

  check 'under load: scaled to five' compose compose up --detach --no-build --no-deps --no-recreate --scale regrow=5 regrow
  for id in $(replicas); do
    check "replica ${id:0:12} is healthy" within 60 health "$id" healthy
  done
  equal 'the store knows five' "$(docker exec "$(any_replica)" /regrow replicas --json | wc -l)" 5
  check 'under load: scaled back to three' compose compose up --detach --no-build --no-deps --no-recreate --scale regrow=3 regrow
  equal 'there are three again' "$(replicas | wc -l)" 3

  begin=$SECONDS
  check 'under load: exchanged for a new image' env "REGROW_IMAGE=$project:next" "$dir/roll"
  equal "all run it, after $((SECONDS - begin)) s" "$(images)" "$project:next $project:next $project:next"
  if env "REGROW_IMAGE=$project:broken" "$dir/roll" >"$work/broken" 2>&1; then
    fail 'under load: a broken image is refused'
  else
    ok 'under load: a broken image is refused'
  fi
  equal 'and the old ones go on' "$(images)" "$project:next $project:next $project:next"
  check 'under load: exchanged for the old image' env "REGROW_IMAGE=$image" "$dir/roll"
  equal 'all run it' "$(images)" "$image $image $image"

  touch "$work/enough"
  ends_well 'no reply failed in all of this' "$talking" "$work/loaded"
}

# shellcheck disable=SC2046
images() { docker inspect --format '{{.Config.Image}}' $(replicas) | xargs; }

secret_checks() {
  local name
  # shellcheck disable=SC2046
  docker inspect $(docker ps -a -q --filter "label=com.docker.compose.project=$project") >"$work/inspect"
  for name in gateway-token store-password; do
    check "docker inspect does not tell the $name" absent "$(cat "$dir/secrets/$name")" "$work/inspect"
  done
}
