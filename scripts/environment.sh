# Virtual environments that can be trusted. Sourced by the start scripts and by tests/run.sh.
#
# An environment counts as finished only when its stamp names just what was asked for. The stamp is
# written last and taken away first, so that an interrupted install is never taken for a whole one.

PROJECT_DIR=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
VENV_DIR=${CAPTION_VENV_DIR:-$PROJECT_DIR}

say() { printf '%s\n' "$*" >&2; }

die() {
  say "error: $*"
  exit 1
}

# Prints the first Python that is new enough. vLLM 0.32 wants 3.11 to 3.14.
find_python() {
  local candidate
  for candidate in ${CAPTION_PYTHON:-} python3 python3.12 python3.13 python3.11 python3.14 python; do
    if "$candidate" -P -c 'import sys, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' \
      2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
  die "no Python 3.11 to 3.14 with the venv module found; install one, or name it in CAPTION_PYTHON"
}

# stamp_of KIND FILE...: prints what stands for an environment made by install_KIND from these files.
stamp_of() {
  local kind=$1 python
  shift
  python=$(find_python) || exit 1
  { "$python" -VV; declare -f "install_$kind"; cat -- "$@"; } | cksum
}

# is_installed DIR KIND FILE...: tells whether DIR is whole, and was made by install_KIND from these files.
is_installed() {
  local dir=$1
  shift
  [[ $(cat -- "$dir/stamp" 2>/dev/null) == "$(stamp_of "$@")" ]]
}

# ensure_environment DIR KIND FILE...: makes or mends DIR by the function install_KIND, unless it is installed.
ensure_environment() {
  local dir=$1 kind=$2 python stamp
  shift 2
  python=$(find_python) || exit 1
  stamp=$(stamp_of "$kind" "$@") || exit 1
  [[ $(cat -- "$dir/stamp" 2>/dev/null) == "$stamp" ]] && return
  mkdir -p -- "$(dirname -- "$dir")"
  exec 9>"$dir.lock"
  if ! flock -n 9; then
    say "Another start is installing into $dir; waiting for it."
    flock 9
  fi
  if [[ $(cat -- "$dir/stamp" 2>/dev/null) != "$stamp" ]]; then
    rm -f -- "$dir/stamp"
    say "Installing: new environment $(basename -- "$dir")"
    "$python" -m venv --clear -- "$dir" || die "python -m venv failed; on Debian and Ubuntu install python3-venv"
    # The first pip that can tell in lines of its own how many bytes have come.
    pip_install "$dir/bin/python" --quiet 'pip>=24.1' || die "pip can't be brought up to date; see the lines above"
    "install_$kind" "$dir/bin/python" || die "installing into $dir failed; see the lines above"
    printf '%s\n' "$stamp" >"$dir/stamp"
    say "Installed: $(basename -- "$dir")"
  fi
  exec 9>&-
}

# pip_install PYTHON ARGUMENT...: what waits for it and reads its lines sets CAPTION_PIP_PROGRESS to raw.
pip_install() {
  local python=$1 bar=off counting='' code=0
  shift
  if [[ ${CAPTION_PIP_PROGRESS:-} == raw && $* != *--quiet* ]]; then
    bar=raw
    count_packages "$python" & counting=$!
  fi
  "$python" -m pip install --disable-pip-version-check --no-input --progress-bar "$bar" "$@" </dev/null || code=$?
  [[ ! $counting ]] || kill "$counting"
  return "$code"
}

# count_packages PYTHON: says again and again how many packages PYTHON has. pip is silent while it unpacks.
count_packages() {
  local site packages
  site=$("$1" -c 'import sysconfig; print(sysconfig.get_path("purelib"))') || return
  while true; do
    packages=("$site"/*.dist-info)
    printf 'Unpacked: %s\n' "${#packages[@]}"
    sleep 2 >/dev/null 2>&1  # which must not hold open what is read
  done
}

# The environment of the service and of the command line.
SERVICE_ENVIRONMENT=("$VENV_DIR/.venv" service "$PROJECT_DIR/requirements-adapter.txt")

install_service() {
  local quiet=(--quiet)
  [[ ${CAPTION_PIP_PROGRESS:-} != raw ]] || quiet=()
  pip_install "$1" "${quiet[@]}" -r "$PROJECT_DIR/requirements-adapter.txt"
}
