# Base images: the named one, the official one if a registry can be reached, else a stand-in.

# base VARIABLE OFFICIAL STAND-IN: sets the variable to an image that is there.
base() {
  local variable=$1 official=$2 stand_in=$3
  [ -z "${!variable:-}" ] || return 0
  if docker image inspect "$official" >/dev/null 2>&1 || docker pull -q "$official" >/dev/null 2>&1; then
    export "$variable=$official"
  elif ! docker image inspect "regrow-standin/$stand_in" >/dev/null 2>&1 &&
    { [ "$(id -u)" -ne 0 ] || ! command -v debootstrap >/dev/null; }; then
    skip "what needs $official: no registry can be reached, and a stand-in needs root and debootstrap; $variable names another"
    return 1
  elif ! "$here/stand-ins/make" "$stand_in" >"$work/stand-in.log" 2>&1; then
    fail "a stand-in for $official: $(tail -n 3 "$work/stand-in.log")"
    return 1
  else
    export "$variable=regrow-standin/$stand_in"
    echo "      no registry can be reached: regrow-standin/$stand_in stands in for $official"
  fi
}
