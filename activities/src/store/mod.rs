//! PostgreSQL: the facts. One file for each aggregate, its SQL beside it, checked at compile time.
//!
//! A query runs only inside [`Store::in_org`]. The application's role sees no row of any table until an org has been named, so forgetting it
//! yields nothing, never another org's rows. The few questions that must be asked before an org is known are functions of the database
//! ([`lookup`]).

pub mod api_keys;
pub mod assets;
pub mod brands;
pub mod briefs;
pub mod campaigns;
pub mod connectors;
pub mod digests;
pub mod drafts;
pub mod idempotency;
pub mod links;
pub mod lookup;
pub mod metrics;
pub mod oauth;
pub mod orgs;
pub mod parts;
pub mod posts;
pub mod receipts;
pub mod renditions;
pub mod runs;
pub mod schedules;
pub mod sessions;
pub mod tags;
pub mod usage;
pub mod users;
pub mod variants;
pub mod voices;
pub mod webhooks;
pub mod writing;

use std::time::Duration;

use domain::ids::OrgId;
use sqlx::{
    AssertSqlSafe, Connection as _, PgConnection, PgPool, Postgres, Transaction,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use crate::{ActivityError, ActivityResult};

/// After how long without use a pooled connection is asked whether it still lives.
const RESTED: Duration = Duration::from_secs(1);

/// The database, as the role that row-level security binds.
#[derive(Debug, Clone)]
pub struct Store {
    pool: PgPool,
}

/// A transaction that acts for one org. Dropped without [`OrgTx::commit`] it is rolled back.
#[derive(Debug)]
pub struct OrgTx {
    tx: Transaction<'static, Postgres>,
    org: OrgId,
}

impl Store {
    /// A pool of at most `max_connections` to `url`. Connects when it is first used, so that a process can start before its database.
    ///
    /// # Errors
    /// When `url` is not a PostgreSQL URL.
    pub fn connect_lazy(url: &str, max_connections: u32) -> ActivityResult<Self> {
        let options: PgConnectOptions = url.parse().map_err(|_| ActivityError::rejected("the database URL is not a PostgreSQL URL"))?;
        let pool = PgPoolOptions::new()
            .max_connections(max_connections)
            .acquire_timeout(Duration::from_secs(10))
            // A ping at every acquisition would be a round trip on every query; only a connection that has rested may have been cut meanwhile.
            .test_before_acquire(false)
            .before_acquire(|connection, meta| {
                Box::pin(async move {
                    if meta.idle_for > RESTED {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .connect_lazy_with(options.application_name("pressroom"));
        Ok(Self { pool })
    }

    /// Begins a transaction that sees and writes the rows of `org` only.
    ///
    /// # Errors
    /// [`ActivityError::Transient`] when the database cannot be reached.
    pub async fn in_org(&self, org: OrgId) -> ActivityResult<OrgTx> {
        // One round trip for both. The only thing put into the text is a UUID, which cannot be anything but hexadecimal digits and dashes.
        let begin = format!("BEGIN; SELECT set_config('app.org_id', '{}', true)", org.uuid().as_hyphenated());
        let tx = self.pool.begin_with(AssertSqlSafe(begin)).await.map_err(classify)?;
        Ok(OrgTx { tx, org })
    }

    /// Answers when the database does.
    ///
    /// # Errors
    /// [`ActivityError::Transient`] when it does not.
    pub async fn ping(&self) -> ActivityResult<()> {
        let answer = sqlx::query_scalar!("SELECT 1").fetch_one(&self.pool);
        // Whoever asks whether the database lives cannot wait as long as whoever needs it.
        tokio::time::timeout(Duration::from_secs(2), answer)
            .await
            .map_err(|_| ActivityError::transient("the database does not answer"))?
            .map_err(classify)?;
        Ok(())
    }

    /// Closes the pool; queries under way finish.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    pub(crate) const fn pool(&self) -> &PgPool {
        &self.pool
    }
}

impl OrgTx {
    /// The org that this transaction acts for; repositories write it into `org_id`.
    #[must_use]
    pub const fn org(&self) -> OrgId {
        self.org
    }

    /// Makes the writes durable.
    ///
    /// # Errors
    /// [`ActivityError::Transient`] when the connection was lost; whether the commit happened is then not known, which is why every write is
    /// an upsert on an id that comes from the input or the journal.
    pub async fn commit(self) -> ActivityResult<()> {
        self.tx.commit().await.map_err(classify)
    }

    /// The connection, for the repositories in this module tree.
    pub(crate) fn conn(&mut self) -> &mut PgConnection {
        &mut self.tx
    }
}

/// Sorts a database error by what is to be done about it: the one place where that is decided.
///
/// Constraint violations are the caller's fault and stay; everything about the connection, resources, locks and serialisation passes.
/// SQLSTATE classes: <https://www.postgresql.org/docs/16/errcodes-appendix.html>.
#[expect(clippy::needless_pass_by_value, reason = "a map_err target takes its error by value")]
pub(crate) fn classify(error: sqlx::Error) -> ActivityError {
    match &error {
        sqlx::Error::RowNotFound => ActivityError::not_found("no such row"),
        sqlx::Error::Database(db) => {
            let code = db.code().unwrap_or_default();
            match code.get(..2).unwrap_or_default() {
                // Data exception, integrity constraint, insufficient privilege or row-level security, syntax: the same again next time.
                "22" | "23" | "42" | "44" => ActivityError::rejected(format_args!(
                    "the database refused the write ({code}{})",
                    db.constraint().map(|c| format!(", {c}")).unwrap_or_default()
                )),
                _ => ActivityError::transient(format_args!("the database could not answer ({code}: {})", db.message())),
            }
        }
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::ColumnNotFound(_) | sqlx::Error::TypeNotFound { .. } => {
            ActivityError::rejected(format_args!("a stored value cannot be read: {error}"))
        }
        sqlx::Error::PoolTimedOut => ActivityError::transient("no database connection became free in time"),
        sqlx::Error::Io(e) => ActivityError::transient(format_args!("the database cannot be reached: {}", e.kind())),
        other => ActivityError::transient(format_args!("the database could not answer: {other}")),
    }
}

/// A value as a `jsonb` column takes it.
pub(crate) fn write_json<T: serde::Serialize>(value: &T) -> ActivityResult<serde_json::Value> {
    serde_json::to_value(value).map_err(|e| ActivityError::rejected(format_args!("a value cannot be stored: {e}")))
}

/// A value out of a `jsonb` column.
pub(crate) fn read_json<T: serde::de::DeserializeOwned>(value: serde_json::Value) -> ActivityResult<T> {
    serde_json::from_value(value).map_err(|e| ActivityError::rejected(format_args!("a stored value cannot be read: {e}")))
}
