//! `slipstream doctor`: what this machine offers, and what of it is used.

use serde_json::json;

use super::args::OutputArgs;
use super::machine::Machine;
use crate::error::{Kind, Problem};
use crate::llama::{Backend, build_info};
use crate::models::human_bytes;

/// Features that a processor has and ggml should have been compiled with, as (what the processor calls it, what
/// ggml calls it). Without them small quantized models run at half their speed or less.
#[must_use]
pub fn expected_features() -> Vec<&'static str> {
    #[cfg_attr(not(any(target_arch = "x86_64", target_arch = "aarch64")), allow(unused_mut))]
    let mut expected = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        for (present, name) in [
            (is_x86_feature_detected!("avx2"), "AVX2"),
            (is_x86_feature_detected!("fma"), "FMA"),
            (is_x86_feature_detected!("avx512f"), "AVX512"),
            (is_x86_feature_detected!("avx512vnni"), "AVX512_VNNI"),
        ] {
            if present {
                expected.push(name);
            }
        }
    }
    #[cfg(target_arch = "aarch64")]
    {
        expected.push("NEON");
        if std::arch::is_aarch64_feature_detected!("dotprod") {
            expected.push("DOTPROD");
        }
    }
    expected
}

/// Runs the command.
///
/// # Errors
/// Where llama.cpp cannot start, or the output cannot be written.
pub fn run(args: &OutputArgs, machine: &Machine) -> Result<u8, Problem> {
    let backend = Backend::start(None).map_err(|error| Problem::new(Kind::Fault, error.to_string(), ""))?;
    let used = backend.cpu_features();
    let missing: Vec<&str> =
        expected_features().into_iter().filter(|name| !used.iter().any(|feature| feature == name)).collect();
    let devices = backend.devices();
    if args.json {
        let devices: Vec<_> = devices
            .iter()
            .map(|device| {
                json!({
                    "name": device.name,
                    "description": device.description,
                    "free_bytes": device.free_bytes,
                    "total_bytes": device.total_bytes,
                })
            })
            .collect();
        let object = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "llama_build": build_info(),
            "cpu_features": used,
            "cpu_features_missing": missing,
            "physical_cores": machine.physical_cores,
            "memory_bytes": machine.total_bytes,
            "memory_available_bytes": machine.available_bytes,
            "devices": devices,
        });
        return super::print(&format!("{object}\n"));
    }
    let mut text = format!("slipstream {} · {}\n", env!("CARGO_PKG_VERSION"), build_info());
    text.push_str(&format!("processor features in use: {}\n", used.join(" ")));
    if !missing.is_empty() {
        text.push_str(&format!(
            "! this processor also has {}, which this build does not use: build it on this machine, without RUSTFLAGS \
             in the environment (.cargo/config.toml sets target-cpu=native)\n",
            missing.join(" ")
        ));
    }
    text.push_str(&format!(
        "cores: {} · memory: {} of {} available\n",
        machine.physical_cores,
        human_bytes(machine.available_bytes),
        human_bytes(machine.total_bytes)
    ));
    for device in devices {
        text.push_str(&format!("device {}: {}\n", device.name, device.description));
    }
    super::print(&text)
}
