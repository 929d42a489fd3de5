# The image by itself: what is in it, and how one replica on SQLite behaves in it.

MAX_BYTES=$((40 * 1000 * 1000))
REVISION=abc1234

image_build() {
  image=${REGROW_IMAGE:-regrow-test}
  [ -z "${REGROW_IMAGE:-}" ] || return 0
  base RUST_IMAGE rust:1.95-slim-bookworm rust || return 1
  local version begin=$SECONDS
  version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$root/Cargo.toml" | head -n 1)
  if docker build -q -f "$root/deploy/docker/Dockerfile" -t "$image" --build-arg "RUST_IMAGE=$RUST_IMAGE" \
    --build-arg "VERSION=$version" --build-arg "REVISION=$REVISION" "$root" >"$work/build.log" 2>&1; then
    ok "the image is built, in $((SECONDS - begin)) s"
  else
    fail "the image is built"
    tail -n 40 "$work/build.log"
    return 1
  fi
  equal 'its version names the commit' "$(docker run --rm "$image" --version)" "regrow $version ($REVISION)"
  equal 'its labels do as well' "$(label version) $(label revision)" "$version $REVISION"
}

label() { docker image inspect --format "{{index .Config.Labels \"org.opencontainers.image.$1\"}}" "$image"; }

image_checks() {
  image_content
  local token
  token=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')
  mkdir -p "$work/secrets" "$work/config"
  echo "$token" >"$work/secrets/gateway-token"
  chmod 0444 "$work/secrets/gateway-token"
  echo '{ gateway: { auth: { token: { source: "file", id: "/run/secrets/regrow/gateway-token" } } },
    regrow: { tools: { webFetchAllowPrivate: true } } }' >"$work/config/openclaw.json"
  chmod 0755 "$work" "$work/secrets" "$work/config"

  local replica
  replica=$(docker run --detach --read-only --cap-drop ALL --security-opt no-new-privileges --memory 128m \
    --memory-swap 128m --pids-limit 512 --publish 127.0.0.1::18789 --volume "$work/config:/etc/regrow:ro" \
    --volume "$work/secrets:/run/secrets/regrow:ro" --health-interval 1s --health-timeout 2s --health-retries 2 "$image") ||
    { fail 'a replica starts, hardened'; return; }
  started+=("$replica")
  REGROW_URL=http://$(docker port "$replica" 18789/tcp)
  export REGROW_URL REGROW_TOKEN_FILE=$work/secrets/gateway-token
  check 'hardened (read-only root, no capabilities, 128 MB) it becomes healthy' within 30 health "$replica" healthy
  equal 'it does not run as root' "$(docker top "$replica" -o pid,uid | awk 'END { print $2 }')" 65532
  check 'it answers' python3 "$root/tests/talk.py" ask --words 5
  image_network
  check 'it answers 200 streams at once within its memory' python3 "$root/tests/talk.py" crowd --conversations 200 --words 40
  equal 'and was not ended for it' "$(docker inspect --format '{{.State.OOMKilled}} {{.RestartCount}}' "$replica")" 'false 0'
  echo "      memory after it: $(docker stats --no-stream --format '{{.MemUsage}}' "$replica")"

  docker kill --signal STOP "$replica" >/dev/null
  check 'when it hangs, it becomes unhealthy' within 30 health "$replica" unhealthy
  docker kill --signal CONT "$replica" >/dev/null
  check 'when it goes on, it becomes healthy again' within 30 health "$replica" healthy

  local said
  said=$(docker run --rm --env REGROW_STORE=mysql://regrow@db/regrow "$image" 2>&1)
  equal 'a store of an unknown kind: it ends with 78' "$?" 78
  check 'and says which kinds there are' grep -q -F 'postgres://' <<<"$said"

  image_stop "$replica"
  image_secrets "$replica" "$token"
}

health() { [ "$(docker inspect --format '{{.State.Health.Status}}' "$1")" = "$2" ]; }

image_content() {
  local bytes container
  bytes=$(docker image inspect --format '{{.Size}}' "$image")
  if [ "$bytes" -lt "$MAX_BYTES" ]; then ok "it has $((bytes / 1000)) kB"; else fail "it has $bytes bytes"; fi
  equal 'its user is a number that nobody has' "$(docker image inspect --format '{{.Config.User}}' "$image")" 65532:65532
  container=$(docker create "$image")
  started+=("$container")
  docker export "$container" | tar -t | grep -v '/$' | sort >"$work/files"
  equal 'nothing is in it but the binary, certificates and an empty configuration' \
    "$(grep -v -E '^(dev/|etc/(hostname|hosts|mtab|resolv.conf)$|\.dockerenv$)' "$work/files" | xargs)" \
    'etc/regrow/openclaw.json etc/ssl/certs/ca-certificates.crt regrow'
  equal 'its state directory is its user'\''s' \
    "$(docker export "$container" | tar -t --numeric-owner -v var/lib/regrow/ | awk '{ print $1, $2 }')" \
    'drwx------ 65532/65532'
}

# Names are resolved and certificates verified from inside, if that works from outside.
image_network() {
  local url=https://index.crates.io/config.json
  if python3 -c 'import sys, urllib.request as u; u.urlopen(sys.argv[1], timeout=10)' "$url" 2>/dev/null; then
    check 'it resolves names and trusts public authorities' python3 "$root/tests/talk.py" fetch --url "$url"
  else
    skip "names and certificates: $url cannot be reached from here"
  fi
}

image_stop() {
  python3 "$root/tests/talk.py" ask --words 120 --stream >"$work/said" 2>&1 &
  local talking=$! begin
  within 10 grep -q talking "$work/said"
  begin=$SECONDS
  docker stop --time 40 "$1" >/dev/null
  equal "SIGTERM in mid-reply: it ends with 0, after $((SECONDS - begin)) s" \
    "$(docker inspect --format '{{.State.ExitCode}}' "$1")" 0
  ends_well 'and the reply was given to its end' "$talking" "$work/said"
}

image_secrets() {
  docker inspect "$1" "$image" >"$work/inspect"
  docker history --no-trunc "$image" >>"$work/inspect"
  docker logs "$1" >>"$work/inspect" 2>&1
  check 'the token is neither in docker inspect nor in the logs' absent "$2" "$work/inspect"
  docker save "$image" | tar -x -O >"$work/layers"
  docker export "$1" >>"$work/layers"
  check 'nor in a layer' absent "$2" "$work/layers"
}

absent() { ! grep -q -a -F "$1" "$2"; }
