#!/bin/sh
# Trains the embedded pocket pair from a bare Debian machine, in about 90 minutes on two cores:
#   scripts/train-pocket/train.sh LLAMA_CPP_SOURCE [WORK_FOLDER]
# LLAMA_CPP_SOURCE is the llama.cpp folder that the program itself is built from (inside the llama-cpp-sys-2 crate).
# Needs root for apt-get only; everything else lands in WORK_FOLDER and in assets/pocket.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
llama=$(cd "$1" && pwd)
mkdir -p "${2:-work}"
work=$(cd "${2:-work}" && pwd)
assets=$here/../../assets/pocket
target_minutes=${TARGET_MINUTES:-48}
drafter_minutes=${DRAFTER_MINUTES:-19}

command -v cmake >/dev/null && test -f /usr/share/dictd/wn.dict.dz ||
    apt-get install -y dict-wn cmake ninja-build g++ python3-venv
test -d "$work/venv" || python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --extra-index-url https://download.pytorch.org/whl/cpu -r "$here/requirements.txt"
python=$work/venv/bin/python

# gcc before 13 miscompiles ggml's AMX set-up (see README.md); the measuring program does without AMX.
flags="-mno-amx-tile -mno-amx-int8 -mno-amx-bf16"
test "$(uname -m)" = x86_64 || flags=
cmake -G Ninja -S "$llama" -B "$work/llama" -DCMAKE_BUILD_TYPE=Release -DGGML_NATIVE=ON -DBUILD_SHARED_LIBS=ON \
    -DLLAMA_BUILD_COMMON=OFF -DLLAMA_BUILD_APP=OFF -DCMAKE_C_FLAGS="$flags" -DCMAKE_CXX_FLAGS="$flags" >/dev/null
ninja -C "$work/llama" llama
lib=$work/llama/bin
g++ -O2 -std=c++17 -I"$llama/src" -I"$llama/include" -I"$llama/ggml/include" "$here/harness/pocket_run.cpp" \
    -o "$work/pocket_run" -L"$lib" -lllama -lggml -lggml-base -lggml-cpu -Wl,-rpath,"$lib"
export POCKET_RUN="$work/pocket_run"

cd "$here"
"$python" corpus.py "$work"
OMP_NUM_THREADS=1 "$python" train_target.py "$work" "$target_minutes"
OMP_NUM_THREADS=1 "$python" generate.py "$work" 140000
OMP_NUM_THREADS=1 "$python" train_drafter.py "$work" "$drafter_minutes"
"$python" check_parity.py "$work"
"$python" export.py "$work" "$assets"
"$python" evaluate.py "$work" "$assets" > "$assets/evaluation.json"
