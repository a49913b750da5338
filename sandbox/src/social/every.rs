//! All stand-ins that are built on the kernel, started alike.

use super::{Options, StandIn};
use crate::{
    buffer::Buffer, discord::Discord, facebook::Facebook, hootsuite::Hootsuite, instagram::Instagram, linkedin::LinkedIn, slack::Slack,
    telegram::Telegram, threads::Threads, x::X,
};

/// Starts one of each. A port other than 0 fails with the second; a data folder is shared, each having a file of its own in it.
pub async fn every(options: &Options) -> anyhow::Result<Vec<Box<dyn StandIn>>> {
    Ok(vec![
        Box::new(Telegram::start(options.clone()).await?),
        Box::new(Discord::start(options.clone()).await?),
        Box::new(Slack::start(options.clone()).await?),
        Box::new(Threads::start(options.clone()).await?),
        Box::new(Instagram::start(options.clone()).await?),
        Box::new(Facebook::start(options.clone()).await?),
        Box::new(X::start(options.clone()).await?),
        Box::new(LinkedIn::start(options.clone()).await?),
        Box::new(Buffer::start(options.clone()).await?),
        Box::new(Hootsuite::start(options.clone()).await?),
    ])
}
