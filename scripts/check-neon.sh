#!/usr/bin/env bash
# src/kernels on an ARM processor, emulated: nothing else here has one.
#
#   scripts/check-neon.sh                   its own tests, and mutations that they must notice (a minute)
#   scripts/check-neon.sh --llama dotprod   also tests/it/kernels.rs, against llama.cpp's own kernels for ARM, compiled for dot
#                                           products only, as on Apple's M1 (ten minutes the first time)
#   scripts/check-neon.sh --llama i8mm      the same, compiled for products of matrices as well, as from M2 on
#
# Wants qemu's user emulation, a cross compiler and Rust's standard library for ARM. What is missing it takes from Debian's
# packages, unpacked in target/neon and not installed. Exit code 2: they cannot be had here.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=aarch64-unknown-linux-gnu
place=$PWD/target/neon
root=$place/root
bin=$place/bin
mkdir -p "$bin"

fail() {
    echo "check-neon: $1" >&2
    exit 2
}

# missing WHAT
missing() {
    fail "$1
Install qemu-user, g++-aarch64-linux-gnu and 'rustup target add $target', or run this on Debian with its packages in reach."
}

has_all() {
    command -v aarch64-linux-gnu-g++ && { command -v qemu-aarch64-static || command -v qemu-aarch64; } &&
        ls "$(rustc --print target-libdir --target $target)"/libstd-*.rlib
} > /dev/null 2>&1

unpack_packages() {
    command -v apt-get > /dev/null && command -v dpkg-deb > /dev/null ||
        missing "no emulator, cross compiler or standard library for ARM, and no apt-get"
    local apt=$place/apt
    mkdir -p "$apt/lists/partial" "$apt/archives/partial" "$root"
    # Lists and architectures of our own: the machine's stay as they are.
    cat > "$apt/conf" << END
APT::Architectures { "$(dpkg --print-architecture)"; "arm64"; };
APT::Sandbox::User "root";
Dir::State::lists "$apt/lists";
Dir::Cache "$apt";
Debug::NoLocking "true";
END
    local packages=(qemu-user-static g++-aarch64-linux-gnu rustc-web libstd-rust-web-dev:arm64)
    APT_CONFIG=$apt/conf apt-get update -qq || missing "Debian's package lists cannot be read"
    APT_CONFIG=$apt/conf apt-get install -qq --download-only --no-install-recommends -y "${packages[@]}" ||
        missing "not all of these packages can be had: ${packages[*]}"
    local package
    for package in "$apt"/archives/*.deb; do
        dpkg-deb -x "$package" "$root"
    done
    # The C library's linker script names places where the packages would be installed.
    sed -i "s# /usr/aarch64-linux-gnu/# $root/usr/aarch64-linux-gnu/#g" "$root/usr/aarch64-linux-gnu/lib/libc.so"
    rm -rf "$apt"
}

if has_all; then
    emulator=$(command -v qemu-aarch64-static || command -v qemu-aarch64)
    rustc=$(command -v rustc)
    prefix=$(dirname "$(command -v aarch64-linux-gnu-g++)")
else
    if ! ls "$root"/usr/bin/qemu-aarch64-static > /dev/null 2>&1; then
        echo "==> Debian's packages"
        unpack_packages
    fi
    emulator=$root/usr/bin/qemu-aarch64-static
    prefix=$root/usr/bin
    # Debian's compiler beside its own standard libraries.
    rustc=$bin/rustc
    printf '#!/bin/sh\nLD_LIBRARY_PATH=%s exec %s "$@"\n' "$root/usr/lib/x86_64-linux-gnu" "$root/usr/bin/rustc" > "$rustc"
    chmod +x "$rustc"
fi
# What llama.cpp's build calls "native" is a machine with $MARCH.
for tool in gcc g++ ar ranlib nm ld strip objcopy; do
    cat > "$bin/aarch64-linux-gnu-$tool" << END
#!/usr/bin/env bash
export LD_LIBRARY_PATH=$root/usr/lib/x86_64-linux-gnu
exec $prefix/aarch64-linux-gnu-$tool "\${@/#-mcpu=native/-march=\${MARCH:-armv8.2-a+dotprod}}"
END
    chmod +x "$bin/aarch64-linux-gnu-$tool"
done
# Where the emulator finds the C library.
export QEMU_LD_PREFIX=$root/usr/aarch64-linux-gnu
[ -d "$QEMU_LD_PREFIX" ] || QEMU_LD_PREFIX=/usr/aarch64-linux-gnu

# compile SOURCE PROGRAM
compile() {
    "$rustc" --test --edition 2024 --target $target -O -C overflow-checks=on --cap-lints allow \
        -C "linker=$bin/aarch64-linux-gnu-gcc" "$1/mod.rs" -o "$2"
}

echo "==> tests of src/kernels"
compile src/kernels "$place/kernels"
for processor in cortex-a76 max; do
    "$emulator" -cpu $processor "$place/kernels" --quiet
done

# mutate FILE FROM TO: the tests must fail. Also shows that the emulator runs our instructions, not only the reference.
mutate() {
    rm -rf "$place/mutant"
    cp -r src/kernels "$place/mutant"
    python3 - "$place/mutant/$1" "$2" "$3" << 'END'
import sys
path, before, after = sys.argv[1:]
text = open(path).read()
assert before in text, f"{path}: no longer holds {before!r}"
open(path, "w").write(text.replace(before, after, 1))
END
    compile "$place/mutant" "$place/mutated"
    if "$emulator" -cpu cortex-a76 "$place/mutated" --quiet > "$place/log" 2>&1; then
        echo "not noticed: $1: $2 -> $3" >&2
        exit 1
    fi
    echo "noticed: $1: $2 -> $3"
}

echo "==> mutations"
mutate q4_0x4/neon.rs "{low:v}.4b[3]" "{low:v}.4b[2]"
mutate q4_0x4/neon.rs "vuzp2q_s32(fours[2], fours[3])" "vuzp1q_s32(fours[2], fours[3])"
mutate q4_0x4/neon.rs "f32_s32::<4>" "f32_s32::<3>"
mutate q4_0x4/activation.rs "1.0 / scale" "127.0 / f32::from_bits(largest)"
[ "${1:-}" = --llama ] || exit 0

# against_llama NAME PROCESSOR ARCHITECTURE I8MM
against_llama() {
    echo "==> against llama.cpp for $1"
    # The build script of llama-cpp-sys-2 reads the word "native" wherever it stands in the flags.
    MARCH=$3 RUSTC=$rustc CARGO_TARGET_DIR=$place/$1 CARGO_BUILD_TARGET=$target \
        CC_aarch64_unknown_linux_gnu=$bin/aarch64-linux-gnu-gcc \
        CXX_aarch64_unknown_linux_gnu=$bin/aarch64-linux-gnu-g++ \
        AR_aarch64_unknown_linux_gnu=$bin/aarch64-linux-gnu-ar \
        BINDGEN_EXTRA_CLANG_ARGS_aarch64_unknown_linux_gnu="-isystem $QEMU_LD_PREFIX/include" \
        GGML_MACHINE_SUPPORTS_dotprod=ON GGML_MACHINE_SUPPORTS_i8mm=$4 GGML_MACHINE_SUPPORTS_sve=OFF GGML_MACHINE_SUPPORTS_sme=OFF \
        CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="$emulator -cpu $2" \
        CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS="-C metadata=target-cpu=native -C linker=$bin/aarch64-linux-gnu-gcc" \
        cargo test --release --config 'profile.release.package.slipstream.opt-level=1' --no-default-features --test it -- kernels::
}
case "${2:-}" in
dotprod) against_llama dotprod cortex-a76 armv8.2-a+fp16+dotprod OFF ;;
i8mm) against_llama i8mm max armv8.6-a+fp16+dotprod+i8mm ON ;;
*) fail "--llama dotprod or --llama i8mm" ;;
esac
