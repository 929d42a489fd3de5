# A Docker daemon: the one that answers, or one of our own for as long as the test takes.

daemon_pid='' daemon_missing=''

daemon_begin() {
  if ! command -v docker >/dev/null; then
    daemon_missing='there is no docker; install Docker, on Debian: apt-get install docker.io'
    return 1
  fi
  docker version --format '{{.Server.Version}}' >/dev/null 2>&1 && return
  if [ "$(id -u)" -ne 0 ] || ! command -v dockerd >/dev/null; then
    daemon_missing='no Docker daemon answers; start one, or run this as root with dockerd installed'
    return 1
  fi
  dockerd --data-root "$work/docker" --exec-root "$work/exec" --pidfile "$work/dockerd.pid" \
    --host "unix://$work/docker.sock" >"$work/dockerd.log" 2>&1 &
  daemon_pid=$!
  export DOCKER_HOST=unix://$work/docker.sock
  if ! within 60 docker version --format '{{.Server.Version}}'; then
    daemon_missing="dockerd does not start: $(tail -n 3 "$work/dockerd.log")"
    return 1
  fi
}

daemon_end() {
  [ -n "$daemon_pid" ] || return 0
  kill "$daemon_pid"
  wait "$daemon_pid"
}
