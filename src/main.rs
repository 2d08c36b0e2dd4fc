//! The command `convex-doctor`.

fn main() {}
