# What was found: one line for each check, a verdict at the end.

passed=0 failed=0 skipped=0

ok() { passed=$((passed + 1)); printf 'ok    %s\n' "$*"; }
fail() { failed=$((failed + 1)); printf 'FAIL  %s\n' "$*"; }
skip() { skipped=$((skipped + 1)); printf 'SKIP  %s\n' "$*"; }

# check WHAT COMMAND…: the command succeeds; what it printed is shown if not.
check() {
  local what=$1 said
  shift
  if said=$("$@" 2>&1); then ok "$what"; else fail "$what"; printf '      %s\n' "${said:-no output}" | tail -n 20; fi
}

# ends_well WHAT PID FILE: the process, started by this shell with its output in the file, ends with 0.
ends_well() {
  if wait "$2"; then ok "$1: $(tail -n 1 "$3")"; else fail "$1"; sed 's/^/      /' "$3" | tail -n 20; fi
}

# equal WHAT GOT WANTED
equal() {
  if [ "$2" = "$3" ]; then ok "$1"; else fail "$1: got \`$2\`, not \`$3\`"; fi
}

# within SECONDS COMMAND…: until the command succeeds.
within() {
  local until=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$until" ] || { echo "not within its time: $*"; return 1; }
    sleep 0.2
  done
}

verdict() {
  printf '\n%d passed, %d failed, %d SKIPPED\n' "$passed" "$failed" "$skipped"
  [ "$failed" -eq 0 ] && { [ "$skipped" -eq 0 ] || [ "${REGROW_REQUIRE:-0}" = 0 ]; }
}
