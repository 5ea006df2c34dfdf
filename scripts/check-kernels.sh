#!/usr/bin/env bash
# src/kernels on its own, without llama.cpp (seconds): its tests, its tests under the thread sanitizer, and mutations that
# its tests must notice.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# compile SOURCE PROGRAM [flags]: the kernels know no other crate, so the compiler alone will do.
compile() {
    local source=$1 program=$2
    shift 2
    rustc --test --edition 2024 -O -C target-cpu=native -C overflow-checks=on --cap-lints allow "$@" "$source/mod.rs" -o "$program"
}

echo "==> tests"
compile src/kernels "$work/tests"
"$work/tests" --quiet

echo "==> thread sanitizer"
# Allowed on the stable compiler for this check only. The standard library is not instrumented, so the way in which it hands
# tests, threads and their results about looks like races; what the threads of a product share goes through the tests' own
# pool, which is instrumented.
sanitize() {
    RUSTC_BOOTSTRAP=1 compile "$1" "$work/sanitized" -Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer
    TSAN_OPTIONS="exitcode=0" "$work/sanitized" --quiet product_tests > "$work/log" 2>&1 || true
}
races() {
    grep "^SUMMARY: ThreadSanitizer" "$work/log" | grep -v -e "test::" -e "std::thread"
}
sanitize src/kernels
grep "test result: ok. [1-9]" "$work/log" || { cat "$work/log"; exit 1; }
if races; then
    exit 1
fi

# mutate FILE FROM TO: the tests must fail, and the text must be there.
mutate() {
    local file=$1 from=$2 to=$3
    rm -rf "$work/mutant"
    cp -r src/kernels "$work/mutant"
    python3 - "$work/mutant/$file" "$from" "$to" <<'END'
import sys
path, before, after = sys.argv[1:]
text = open(path).read()
assert before in text, f"{path}: no longer holds {before!r}"
open(path, "w").write(text.replace(before, after, 1))
END
    compile "$work/mutant" "$work/mutated"
    if "$work/mutated" --quiet > "$work/log" 2>&1; then
        echo "not noticed: $file: $from -> $to" >&2
        exit 1
    fi
    echo "noticed: $file: $from -> $to"
}

echo "==> mutations"
mutate activation.rs "-R::OFFSET * sum" "-7 * sum"
mutate q4_0/avx2.rs "0, 1, 4, 5, 2, 3, 6, 7" "0, 1, 2, 3, 4, 5, 6, 7"
mutate q4_kx8/avx2.rs "row(0), row(1), row(4), row(5)" "row(0), row(1), row(2), row(3)"
mutate q4_kx8/avx512.rs "_mm512_sub_ps(sums[row], least[row])" "_mm512_sub_ps(least[row], sums[row])"
mutate q45_k/avx2.rs "bits(fifth, 16)" "bits(fifth, 8)"
mutate q45_k/avx512.rs "part as i16 * 0x0202" "part as i16 * 0x0101"
mutate six_bits.rs "rest >> 4" "rest"
mutate plain/activation.rs "-F::OFFSET * four" "-(F::OFFSET + 1) * four"
mutate plain/avx512.rs "permute_ps::<0b11_10_11_10>" "permute_ps::<0b10_11_10_11>"
mutate plain/avx512.rs "(1 << alone) - 1" "15"
mutate plain/avx2.rs "through_half(quantized.step" "through_half(quantized.scale"
mutate plain/mod.rs "index % 2" "0"
mutate product.rs "starts.copy_within(0..product.experts, 1);" ""
mutate product.rs "strip.start)" "strip.start + 1)"
mutate product.rs "    pool.barrier();" ""

echo "==> the sanitizer sees a missing barrier"
sanitize "$work/mutant"
races || { echo "not noticed" >&2; exit 1; }
