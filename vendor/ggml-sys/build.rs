//! Compiles the shim against the llama.cpp headers of the pinned llama-cpp-sys-2 and binds `shim.h`.
//! Nothing of ggml is compiled: two copies in one program would clash. The one copy is linked by that crate.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

const SOURCES: [&str; 4] = ["shim.cpp", "hook.cpp", "exact.cpp", "attention.cpp"];

fn main() {
    for file in ["build.rs", "shim.h", "hook.h", "exact.h"].into_iter().chain(SOURCES) {
        println!("cargo:rerun-if-changed={file}");
    }
    let source = llama_source();
    // Read by the crate: which llama.cpp this was built from (the folder name carries the crate's version).
    println!("cargo:rustc-env=SLIPSTREAM_LLAMA_SOURCE_VERSION={}", crate_version(&source));

    let mut shim = cc::Build::new();
    shim.cpp(true).std("c++17").files(SOURCES).include(".").warnings(false);
    // MSVC unwinds C++ exceptions only where it is told to.
    shim.flag_if_supported("/EHsc");
    for folder in ["src", "include", "ggml/include", "ggml/src", "ggml/src/ggml-cpu", "common", "vendor"] {
        shim.include(source.join(folder));
    }
    // The CPU code then lies in libraries loaded at run time: its registry cannot be linked.
    if env::var_os("CARGO_FEATURE_DYNAMIC_BACKENDS").is_some() {
        shim.define("SLIPSTREAM_DYNAMIC_BACKENDS", None);
    }
    shim.compile("slipstream_shim");

    let output = PathBuf::from(env::var("OUT_DIR").expect("cargo sets OUT_DIR"));
    bindgen::Builder::default()
        .header("shim.h")
        .allowlist_item("slipstream_.*|SLIPSTREAM_.*")
        // The handles are llama-cpp-sys-2's own types, so that both crates speak of the same thing.
        .blocklist_type("llama_model|llama_context|llama_batch_ext")
        .raw_line("use llama_cpp_sys_2::{llama_batch_ext, llama_context, llama_model};")
        .prepend_enum_name(false)
        .generate()
        .expect("bindings for shim.h (is libclang installed? scripts/setup.sh installs it)")
        .write_to_file(output.join("bindings.rs"))
        .expect("write bindings.rs");
}

/// The llama.cpp folder that llama-cpp-sys-2 was built from. The crate tells where its cmake build lies;
/// that build's cache tells its source.
fn llama_source() -> PathBuf {
    let cmake = env::var("DEP_LLAMA_GGML_CMAKE_DIR").expect("llama-cpp-sys-2 tells DEP_LLAMA_GGML_CMAKE_DIR");
    let cache = Path::new(&cmake)
        .ancestors()
        .map(|folder| folder.join("build/CMakeCache.txt"))
        .find(|file| file.is_file())
        .unwrap_or_else(|| panic!("no build/CMakeCache.txt above {cmake}"));
    let text = fs::read_to_string(&cache).unwrap_or_else(|error| panic!("read {}: {error}", cache.display()));
    let home = text
        .lines()
        .find_map(|line| line.strip_prefix("CMAKE_HOME_DIRECTORY:INTERNAL="))
        .unwrap_or_else(|| panic!("no CMAKE_HOME_DIRECTORY in {}", cache.display()));
    PathBuf::from(home)
}

fn crate_version(source: &Path) -> String {
    let folder = source.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    folder.and_then(|name| name.rsplit_once('-').map(|(_, version)| version.to_owned())).unwrap_or_default()
}
