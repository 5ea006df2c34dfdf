//! llama.cpp is compiled for the machine it runs on: without that, small quantized models run at half their speed.

use slipstream::llama::Backend;

/// Whether ggml says it uses a feature.
fn uses(feature: &str) -> bool {
    let backend = Backend::start(None).expect("llama.cpp starts");
    backend.cpu_features().iter().any(|name| name == feature)
}

/// Broke once by RUSTFLAGS in the environment, which replaces `target-cpu=native` of .cargo/config.toml.
#[test]
fn the_fast_instructions_of_this_machine_are_used() {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx2") {
            assert!(uses("AVX2"));
        }
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni") {
            assert!(uses("AVX512") && uses("AVX512_VNNI"));
        }
    }
    #[cfg(target_arch = "aarch64")]
    {
        assert!(uses("NEON"));
        if std::arch::is_aarch64_feature_detected!("dotprod") {
            assert!(uses("DOTPROD"));
        }
    }
}

/// ggml's AMX code crashes where gcc 12 compiles it; .cargo/config.toml turns it off.
#[test]
fn amx_is_off() {
    assert!(!uses("AMX_INT8"));
}
