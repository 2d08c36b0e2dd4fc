//! Random numbers from a seed: the same seed makes the same projects everywhere.

/// Marks a form that Compose refuses, or may refuse: where each had the same odds, few projects
/// would be accepted.
pub(crate) const FAULTY: char = '✗';

/// Of a hundred projects so many have no fault at all: what they come to is compared.
const SOUND: usize = 50;
/// And so many have as many faults as chance gives them. The rest has one.
const WILD: usize = 4;

/// `SplitMix64`.
#[derive(Clone)]
pub(crate) struct Rng {
    state: u64,
    /// Whether the project gets no fault, or none any more: with several it is chance which one
    /// Compose reports.
    pub(crate) settled: bool,
    /// Whether faults are not counted.
    pub(crate) wild: bool,
    /// Whether the project's volume `data` is not its own: files laid over each other have to
    /// agree.
    pub(crate) external: bool,
    /// Whether the file that is made has `&env` and `&list`.
    pub(crate) anchors: bool,
}

impl Rng {
    /// The numbers of one project: those of its neighbours have nothing to do with them.
    pub(crate) fn new(seed: u64, project: u64) -> Self {
        let mut rng =
            Self { state: seed, settled: true, wild: false, external: false, anchors: false };
        rng.state = rng.next() ^ project.wrapping_mul(0xD6E8_FEB8_6659_FD93);
        let kind = rng.below(100);
        rng.wild = kind < WILD;
        rng.settled = kind >= 100 - SOUND;
        rng.external = rng.chance(20);
        rng
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

    /// True in so many of a hundred cases, of projects that are to have a fault and have none yet;
    /// now it has.
    pub(crate) fn fault(&mut self, percent: usize) -> bool {
        let fault = !self.settled && self.chance(percent);
        self.settled |= fault && !self.wild;
        fault
    }

    /// One of these; those that begin with [`FAULTY`] only as a fault, and without it.
    pub(crate) fn form(&mut self, from: &[&'static str]) -> &'static str {
        let any = from.iter().any(|form| form.starts_with(FAULTY));
        let odds = if self.wild { 15 } else { 4 };
        let faulty = any && self.fault(odds);
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
