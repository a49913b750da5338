//! What people do to a post at the moment at which it goes out: moved, stopped, edited, approved, published now, its account disconnected. One
//! outcome, the one that was answered.
//!
//! By chance: many posts at once on a whole system (`rounds`), and thousands of interleavings of what reaches the database (`model`). By design: the
//! nasty ones (`designed`). Everything that is drawn comes from one seed, which is printed; `PRESSROOM_E2E_SEED` repeats the draws.

mod asking;
mod designed;
mod judge;
mod model;
mod rounds;

/// The seed of this run, told where a person finds it.
pub(crate) fn seed() -> anyhow::Result<u64> {
    let seed = match std::env::var("PRESSROOM_E2E_SEED") {
        Ok(seed) => seed.parse()?,
        Err(_) => rand::random::<u64>(),
    };
    println!("PRESSROOM_E2E_SEED={seed}");
    Ok(seed)
}

/// A number from the environment, or else this.
pub(crate) fn number(name: &str, or: usize) -> anyhow::Result<usize> {
    Ok(match std::env::var(name) {
        Ok(number) => number.parse()?,
        Err(_) => or,
    })
}
