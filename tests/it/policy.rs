//! The automatic policy, proved by simulation. docs/POLICY.md explains the worlds; docs/bench/policy-simulation.md
//! keeps the table that `the_table` prints.

pub mod play;
pub mod texts;
pub mod worlds;

use play::Scene;
use texts::{Honesty, LONG, MIXED, STATIONARY, Text};
use worlds::{Noise, WORLDS, World};

/// Replies that each figure is the mean of.
const SEEDS: u64 = 24;

pub fn scene(world: World, text: Text) -> Scene {
    Scene { world, text, honesty: Honesty::Calibrated, noise: Noise::Quiet, tokens: 400, seed: 7 }
}

#[test]
fn the_table() {
    let seeds = SEEDS;
    for world in WORLDS {
        for (text, tokens) in STATIONARY
            .iter()
            .chain(&MIXED)
            .map(|text| (text, 400))
            .chain(LONG.iter().map(|text| (text, 2000)))
        {
            let base = Scene { tokens, ..scene(world, *text) };
            let plain = base.fixed(0, 1) * seeds as f64;
            let (best, fixed) = base.best_fixed(seeds);
            let cold = base.cold(seeds);
            let mut line = format!(
                "{:16} {:18} n={best:2} {:.2} auto {:.2}  /plain {:.3} /best {:.3} ",
                world.name,
                text.name,
                plain / fixed,
                plain / cold,
                plain / cold,
                fixed / cold
            );
            line += &format!(" warm {:.3}", fixed / base.warm(seeds));
            for honesty in [Honesty::OverConfident, Honesty::UnderConfident] {
                let scene = Scene { honesty, ..base };
                line += &format!(" {:.4?} {:.3}", honesty, fixed / scene.cold(seeds));
            }
            for noise in [Noise::Spikes, Noise::Throttled] {
                let scene = Scene { noise, ..base };
                let plain = scene.fixed(0, 1) * seeds as f64;
                let (_, fixed) = scene.best_fixed(seeds);
                let cold = scene.cold(seeds);
                line += &format!(" {:.2?} {:.3}/{:.3}", noise, plain / cold, fixed / cold);
            }
            println!("{line}");
        }
    }
}
