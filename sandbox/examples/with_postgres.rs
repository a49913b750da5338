//! Runs a command beside a real, migrated, empty PostgreSQL, which is gone afterwards:
//!
//! ```sh
//! cargo run -p sandbox --example with_postgres -- bash .ci/sqlx
//! ```
//!
//! The command finds the database in `DATABASE_URL`, as its owner. The exit code is the command's.

use std::process::ExitCode;

use anyhow::Context as _;
use sandbox::servers::TestStack;
use secrecy::ExposeSecret as _;
use sqlx::{Connection as _, PgConnection};
use tokio::process::Command;

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let mut args = std::env::args_os().skip(1);
    let program = args.next().context("which command? with_postgres COMMAND [ARGUMENT...]")?;
    let stack = TestStack::start().await?;
    let server = stack.superuser_url();
    let mut connection = PgConnection::connect(server.expose_secret()).await?;
    sqlx::query("CREATE DATABASE scratch").execute(&mut connection).await?;
    connection.close().await?;
    let mut database = url::Url::parse(server.expose_secret())?;
    database.set_path("scratch");
    migrations::run(database.as_str(), None).await?;
    let mut command = Command::new(&program);
    command.args(args).env("DATABASE_URL", database.as_str()).kill_on_drop(true);
    let mut child = command.spawn().with_context(|| format!("cannot run {}", program.display()))?;
    let status = tokio::select! {
        status = child.wait() => status?,
        // The terminal tells the command as well; the servers end with `stack`.
        _ = tokio::signal::ctrl_c() => child.wait().await?,
    };
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}
