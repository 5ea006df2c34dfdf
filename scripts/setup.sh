#!/usr/bin/env bash
# Makes sure that the build tools are there: a Rust toolchain, a C++ compiler, cmake, libclang. Meant to be sourced by
# the other scripts, because it may set PATH, CMAKE and LIBCLANG_PATH for them. Does nothing where nothing is missing.
#
# cmake and libclang come from the system's packages where this user may install them, else as PyPI wheels into
# .tools/ beside the checkout (no rights needed).

slipstream_root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
slipstream_tools="$slipstream_root/.tools"

say() { printf '== %s\n' "$*" >&2; }
have() { command -v "$1" >/dev/null 2>&1; }

# libclang is found by bindgen through llvm-config, the loader's path, or LIBCLANG_PATH.
have_libclang() {
    [ -n "${LIBCLANG_PATH:-}" ] && return 0
    local file
    for file in /usr/lib/llvm-*/lib/libclang*.so* /usr/lib/*/libclang*.so* /usr/lib64/libclang*.so* \
        /Library/Developer/CommandLineTools/usr/lib/libclang.dylib /opt/homebrew/opt/llvm/lib/libclang.dylib; do
        [ -e "$file" ] && return 0
    done
    ldconfig -p 2>/dev/null | grep -q libclang
}

# Runs a command with the rights to install packages; fails where there are none.
as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif have sudo && sudo -n true 2>/dev/null; then sudo -n "$@"
    else return 1; fi
}

system_install() { # names of: apt packages | dnf packages | pacman packages | brew packages
    if have apt-get; then
        # shellcheck disable=SC2086  # a list of packages
        as_root apt-get update -qq && as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $1 >&2
    elif have dnf; then
        # shellcheck disable=SC2086
        as_root dnf install -y -q $2 >&2
    elif have pacman; then
        # shellcheck disable=SC2086
        as_root pacman -S --noconfirm --needed $3 >&2
    elif have brew; then
        # shellcheck disable=SC2086
        brew install $4 >&2
    else
        return 1
    fi
}

wheel_install() { # PyPI wheels into .tools/
    have python3 || return 1
    python3 -m pip install --quiet --disable-pip-version-check --target "$slipstream_tools/python" --upgrade "$@" >&2
}

if ! have cargo && [ -x "$HOME/.cargo/bin/cargo" ]; then export PATH="$HOME/.cargo/bin:$PATH"; fi
if ! have cargo; then
    say "a Rust toolchain is missing: install it from https://rustup.rs, then run this again"
    return 1 2>/dev/null || exit 1
fi

if ! have c++ && ! have g++ && ! have clang++; then
    say "installing a C++ compiler"
    if ! system_install "g++" "gcc-c++" "gcc" "gcc"; then
        say "a C++ compiler is missing, and this user may not install one: ask for g++ or clang"
        return 1 2>/dev/null || exit 1
    fi
fi

if [ -x "$slipstream_tools/python/bin/cmake" ]; then
    export PATH="$slipstream_tools/python/bin:$PATH" PYTHONPATH="$slipstream_tools/python${PYTHONPATH:+:$PYTHONPATH}"
fi
if ! have cmake; then
    say "installing cmake"
    if ! system_install "cmake make" "cmake make" "cmake make" "cmake"; then
        if ! wheel_install cmake; then
            say "cmake is missing, and neither the system's packages nor pip can install it"
            return 1 2>/dev/null || exit 1
        fi
        export PATH="$slipstream_tools/python/bin:$PATH" PYTHONPATH="$slipstream_tools/python${PYTHONPATH:+:$PYTHONPATH}"
    fi
fi

if ! have_libclang; then
    if [ ! -d "$slipstream_tools/python/clang/native" ]; then
        say "installing libclang"
        system_install "libclang-dev" "clang-devel" "clang" "llvm" || wheel_install libclang || {
            say "libclang is missing, and neither the system's packages nor pip can install it"
            return 1 2>/dev/null || exit 1
        }
    fi
    if [ -d "$slipstream_tools/python/clang/native" ]; then
        export LIBCLANG_PATH="$slipstream_tools/python/clang/native"
        # The wheel has no headers of its own: the compiler's are as good.
        gcc_include="$(c++ -print-file-name=include 2>/dev/null || true)"
        if [ -d "$gcc_include" ]; then
            export BINDGEN_EXTRA_CLANG_ARGS="-isystem $gcc_include ${BINDGEN_EXTRA_CLANG_ARGS:-}"
        fi
    fi
fi

# RUSTFLAGS would replace .cargo/config.toml's flags, and ggml would lose AVX-512 and VNNI (docs/ARCHITECTURE.md).
if [ -n "${RUSTFLAGS:-}" ]; then
    say "RUSTFLAGS is set; it is ignored here, because it would turn the processor's fast instructions off"
    unset RUSTFLAGS
fi
