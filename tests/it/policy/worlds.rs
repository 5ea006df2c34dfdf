//! Machines: what a batch and a draft step cost, in plain rounds, and how times are disturbed.

use crate::fakes::unit;

/// A machine with a model.
#[derive(Clone, Copy, Debug)]
pub struct World {
    pub name: &'static str,
    /// Seconds of a plain round.
    pub plain: f64,
    /// V(b) / V(1) at these widths; straight lines between, the last slope beyond.
    pub verify: &'static [(usize, f64)],
    /// d / V(1).
    pub step: f64,
    /// Time that a change of width adds, in plain rounds (llama.cpp builds its graph anew).
    pub change: f64,
}

pub const WORLDS: [World; 10] = [
    // Reported of llama.cpp on two cores with AVX-512.
    World {
        name: "26B llama.cpp",
        plain: 0.070,
        verify: &[(1, 1.0), (2, 1.65), (3, 2.37), (4, 3.1), (5, 3.5), (6, 4.1), (8, 4.9)],
        step: 0.10,
        change: 0.01,
    },
    World {
        name: "26B traffic limit",
        plain: 0.070,
        verify: &[(1, 1.0), (2, 1.35), (3, 1.68), (4, 1.98), (8, 3.03)],
        step: 0.10,
        change: 0.01,
    },
    World {
        name: "dense 12B",
        plain: 0.077,
        verify: &[
            (1, 1.0),
            (2, 1.6),
            (3, 2.1),
            (4, 1.9),
            (5, 2.7),
            (6, 3.1),
            (7, 3.9),
            (8, 3.5),
            (12, 4.8),
            (16, 4.7),
        ],
        step: 0.10,
        change: 0.01,
    },
    // Solved from the reported 36.0 / 47.8 / 45.5 / 44.4 / 41.9 / 30.9 t/s at n = 0, 1, 2, 3, 4, 8, for d = 0.1 and an
    // acceptance of 0.7 a guess: V(n + 1) = (1 + 0.7 + … + 0.7^n) · 36.0 / rate − 0.1 n.
    World {
        name: "RTX 3060",
        plain: 1.0 / 36.0,
        verify: &[(1, 1.0), (2, 1.18), (3, 1.533), (4, 1.754), (5, 1.982), (9, 2.928)],
        step: 0.10,
        change: 0.01,
    },
    // 0.94x at 66 % acceptance with one guess: V(2) + d = 1.66 / 0.94.
    World {
        name: "M3 Ultra",
        plain: 0.025,
        verify: &[(1, 1.0), (2, 1.616), (3, 2.1), (4, 2.6), (8, 4.4)],
        step: 0.15,
        change: 0.02,
    },
    World {
        name: "GPU, k = 7 pays",
        plain: 0.012,
        verify: &[(1, 1.0), (2, 1.03), (4, 1.09), (8, 1.21), (12, 1.9), (17, 2.2)],
        step: 0.04,
        change: 0.02,
    },
    World {
        name: "pocket pair",
        plain: 0.0015,
        verify: &[(1, 1.0), (2, 1.2), (4, 1.4), (5, 2.3), (8, 3.1)],
        step: 0.12,
        change: 0.05,
    },
    STAIRCASE,
    POCKET_HERE,
    // The same with two threads.
    World {
        name: "pocket here, two threads",
        verify: &[(1, 1.0), (2, 1.27), (3, 1.89), (4, 2.24), (5, 2.57)],
        step: 0.14,
        ..POCKET_HERE
    },
];

/// The built-in pair here, one thread, the machine idle. A change of width is 0.37 of a plain step's 0.68 ms.
pub const POCKET_HERE: World = World {
    name: "pocket here",
    plain: 0.00068,
    verify: &[(1, 1.0), (2, 1.7), (3, 2.4), (4, 3.17), (5, 3.9), (6, 4.5), (7, 5.2), (8, 5.8)],
    step: 0.153,
    change: 0.5,
};

/// Measured here on the shape of the 26B A4B, one thread, the machine idle: four tokens take less time than three.
pub const STAIRCASE: World = World {
    name: "26B here",
    plain: 0.531,
    verify: &[
        (1, 1.0),
        (2, 1.31),
        (3, 1.93),
        (4, 1.51),
        (5, 1.62),
        (6, 2.05),
        (7, 2.36),
        (8, 2.15),
        (16, 4.1),
    ],
    step: 0.10,
    change: 0.01,
};

impl World {
    /// V(b) / V(1).
    pub fn verify(&self, width: usize) -> f64 {
        let after = self.verify.iter().position(|&(known, _)| known >= width);
        let after = after.unwrap_or(self.verify.len() - 1).max(1);
        let ((low, from), (high, to)) = (self.verify[after - 1], self.verify[after]);
        from + (to - from) * (width as f64 - low as f64) / (high - low) as f64
    }
}

/// How times are disturbed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Noise {
    /// Log-normal, 5 %.
    Quiet,
    /// Log-normal, 15 %: other programs take turns on the same cores.
    Busy,
    /// The same, and one time in thirty is ten times as long.
    Spikes,
    /// Quiet, and between the tokens 150 and 280 the machine runs at half its pace.
    Throttled,
    /// Quiet, and the cost of a batch grows by a half over 1000 tokens, the same for every width.
    Growing,
    /// Spikes of 600 times, and each fortieth time is zero: suspended machine, jumping clock.
    Broken,
}

/// A standard normal number from a key.
pub fn normal(key: u64) -> f64 {
    // The sum of twelve uniform numbers: tails that end at six sigma are wide enough here.
    (0..12).map(|part| f64::from(unit(key ^ (part << 56)))).sum::<f64>() - 6.0
}

impl Noise {
    /// (how much longer everything really takes, how much longer this time is seen to be).
    pub fn factors(self, token: usize, key: u64) -> (f64, f64) {
        let quiet = (0.05 * normal(key)).exp();
        let busy = (0.15 * normal(key)).exp();
        let chance = unit(key ^ 0x5EED);
        match self {
            Noise::Quiet => (1.0, quiet),
            Noise::Busy => (1.0, busy),
            Noise::Spikes => (1.0, if chance < 1.0 / 30.0 { 10.0 } else { quiet }),
            Noise::Throttled => (if (150..280).contains(&token) { 2.0 } else { 1.0 }, quiet),
            Noise::Growing => (1.0, quiet),
            Noise::Broken if chance < 1.0 / 40.0 => (1.0, 0.0),
            Noise::Broken => (1.0, if chance > 0.97 { 600.0 } else { quiet }),
        }
    }

    /// What the context adds to every batch, in plain rounds.
    pub fn context(self, token: usize) -> f64 {
        if self == Noise::Growing { 0.5 * token as f64 / 1000.0 } else { 0.0 }
    }
}
