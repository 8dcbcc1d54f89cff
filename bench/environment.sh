# Sourced by run_all.sh and gpu.sh after scripts/environment.sh: the benchmarks' Python, and the machine's name.
# CAPTION_BENCH_PYTHON names a Python that has all they need; CAPTION_BENCH_MACHINE the machine.

install_bench() { pip_install "$1" --quiet -r requirements-adapter.txt -r bench/requirements.txt; }

python=${CAPTION_BENCH_PYTHON:-}
if [[ -z $python ]]; then
  ensure_environment "$PROJECT_DIR/.venv-bench" bench requirements-adapter.txt bench/requirements.txt
  python=$PROJECT_DIR/.venv-bench/bin/python
fi
machine=${CAPTION_BENCH_MACHINE:-$("$python" bench/machine.py --name)}
