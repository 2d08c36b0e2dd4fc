//! Random numbers from a seed: the same seed makes the same projects everywhere.

/// Marks a form that Compose refuses: where each had the same odds, few projects would be accepted.
pub(crate) const FAULTY: char = '✗';

/// `SplitMix64`.
#[derive(Clone)]
pub(crate) struct Rng {
    state: u64,
    /// Whether the project has its fault: with several it is chance which one Compose reports.
    pub(crate) broken: bool,
}

impl Rng {
    /// The numbers of one project: those of its neighbours have nothing to do with them.
    pub(crate) fn new(seed: u64, project: u64) -> Self {
        let mut rng = Self { state: seed, broken: false };
        let state = rng.next() ^ project.wrapping_mul(0xD6E8_FEB8_6659_FD93);
        Self { state, broken: false }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end.max(1)).unwrap()).unwrap()
    }

    /// True in so many of a hundred cases.
    pub(crate) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// True in so many of a hundred cases, of projects that have no fault yet; now it has.
    pub(crate) fn fault(&mut self, percent: usize) -> bool {
        let fault = !self.broken && self.chance(percent);
        self.broken |= fault;
        fault
    }

    /// One of these; those that begin with [`FAULTY`] seldom, and without it.
    pub(crate) fn form(&mut self, from: &[&'static str]) -> &'static str {
        let any = from.iter().any(|form| form.starts_with(FAULTY));
        let faulty = any && !self.broken && self.chance(2);
        self.broken |= faulty;
        loop {
            let form = self.pick(from);
            match form.strip_prefix(FAULTY) {
                Some(form) if faulty => return form,
                None if !faulty => return form,
                _ => {}
            }
        }
    }

    /// One of these.
    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}
