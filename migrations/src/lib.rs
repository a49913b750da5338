//! The database's history: SQL files, one for each change, embedded in the binary.
//!
//! They run as the database's owner. The application itself connects as [`APP_ROLE`], which owns nothing and cannot bypass row-level security.

use sqlx::{Connection, PgConnection, migrate::Migrator};

/// Every change, in order.
pub static MIGRATOR: Migrator = sqlx::migrate!("../migrations");

/// The role that the application connects as.
pub const APP_ROLE: &str = "pressroom_app";

/// Why the database could not be brought up to date.
#[derive(Debug)]
pub enum MigrateError {
    /// The server could not be reached, or refused.
    Connect(sqlx::Error),
    /// A change failed, or the database was migrated by a newer build.
    Change(sqlx::migrate::MigrateError),
    /// The application's role could not be given its password.
    Role(sqlx::Error),
}

impl std::fmt::Display for MigrateError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Connect(e) => write!(f, "cannot connect to the database as its owner: {e}"),
            Self::Change(e) => write!(f, "cannot bring the database up to date: {e}"),
            Self::Role(e) => write!(f, "cannot set up the role {APP_ROLE}: {e}"),
        }
    }
}

impl std::error::Error for MigrateError {}

/// Brings the database at `owner_url` up to date; safe to call from several processes at once.
///
/// With `app_password` the application's role may log in with it; without, the role is left as it is (an operator manages it).
///
/// # Errors
/// When the server cannot be reached, a change fails, or the role cannot be altered.
pub async fn run(owner_url: &str, app_password: Option<&str>) -> Result<(), MigrateError> {
    let mut owner = PgConnection::connect(owner_url).await.map_err(MigrateError::Connect)?;
    MIGRATOR.run(&mut owner).await.map_err(MigrateError::Change)?;
    if let Some(password) = app_password {
        set_password(&mut owner, password).await.map_err(MigrateError::Role)?;
    }
    owner.close().await.map_err(MigrateError::Connect)
}

/// `ALTER ROLE` takes no bound parameters, so the password travels as a setting and is quoted by the server itself.
async fn set_password(owner: &mut PgConnection, password: &str) -> Result<(), sqlx::Error> {
    let mut tx = owner.begin().await?;
    sqlx::query("SELECT set_config('pressroom.app_password', $1, true)").bind(password).execute(&mut *tx).await?;
    sqlx::query(
        "DO $$ BEGIN
             EXECUTE format('ALTER ROLE pressroom_app LOGIN PASSWORD %L', current_setting('pressroom.app_password'));
         END $$",
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await
}
