//! The simulation's own randomness: SplitMix64, so that a seed replays on any version of any
//! library.

#[derive(Debug)]
pub(super) struct Rng {
    state: u64,
}

impl Rng {
    pub(super) fn new(seed: u64) -> Rng {
        Rng { state: seed }
    }

    pub(super) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, which is not 0.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        // The bias is of no matter at these sizes.
        self.next() % end
    }

    pub(super) fn per_million(&mut self, chance: u32) -> bool {
        chance > 0 && self.below(1_000_000) < u64::from(chance)
    }

    /// How likely things survive this time. All and nothing are as likely as everything between
    /// them.
    pub(super) fn survival(&mut self) -> Survival {
        Survival(match self.below(4) {
            0 => 0,
            1 => 1_000_000,
            _ => self.below(1_000_000) as u32,
        })
    }
}

/// A chance, drawn once per power loss and file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Survival(u32);

impl Survival {
    pub(super) fn draw(self, rng: &mut Rng) -> bool {
        rng.per_million(self.0)
    }
}
