//! Activities against stand-ins that speak the real protocols and misbehave on order.

mod mastodon;
