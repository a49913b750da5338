//! Tenancy is in the database: whoever connects as the application sees and writes the rows of the org that it named, and nothing else.
//!
//! The tests ask the catalogue for the tables, references and functions there are, so that whatever a later migration adds is tested as well.

pub(crate) mod seed;

use migrations::APP_ROLE;
use sandbox::servers::TestStack;
use secrecy::ExposeSecret as _;
use seed::{MIGRATIONS, ORGS, id, insert, org_id, references, seed, tables};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};
use url::Url;

/// A migrated and seeded database of its own.
struct Database {
    owner: PgConnection,
    app: PgConnection,
    _stack: TestStack,
}

impl Database {
    async fn start() -> Self {
        let stack = TestStack::start().await.unwrap();
        let owner_url = stack.superuser_url().expose_secret().to_owned();
        migrations::run(&owner_url, Some("app-password")).await.unwrap();
        let mut app_url: Url = owner_url.parse().unwrap();
        app_url.set_username(APP_ROLE).unwrap();
        app_url.set_password(Some("app-password")).unwrap();
        let mut owner = PgConnection::connect(&owner_url).await.unwrap();
        seed(&mut owner).await;
        Self { owner, app: PgConnection::connect(app_url.as_str()).await.unwrap(), _stack: stack }
    }
}

/// Runs a statement and takes it back; returns how many rows it touched, or the SQLSTATE of the refusal.
async fn attempt(connection: &mut PgConnection, org: Option<u8>, statement: &str) -> Result<u64, String> {
    let mut tx = connection.begin().await.unwrap();
    if let Some(org) = org {
        sqlx::query("SELECT set_config('app.org_id', $1, true)").bind(org_id(org).to_string()).execute(&mut *tx).await.unwrap();
    }
    // Deferred or not, references are checked before anything is known to be allowed.
    sqlx::query("SET CONSTRAINTS ALL IMMEDIATE").execute(&mut *tx).await.unwrap();
    let result = sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&mut *tx).await;
    tx.rollback().await.unwrap();
    match result {
        Ok(done) => Ok(done.rows_affected()),
        Err(sqlx::Error::Database(error)) => Err(error.code().unwrap_or_default().into_owned()),
        Err(error) => panic!("{statement}: {error}"),
    }
}

/// insufficient_privilege: a missing grant, or a row that the policy refuses.
const NOT_ALLOWED: &str = "42501";
/// foreign_key_violation
const NO_SUCH_ROW: &str = "23503";

/// What is wrong with the protection of the schema, one sentence each.
async fn faults(owner: &mut PgConnection) -> Vec<String> {
    let mut faults = Vec::new();
    for table in tables(owner).await {
        let row = sqlx::query(
            "SELECT c.relrowsecurity, pg_get_userbyid(c.relowner) = $2,
                    coalesce((SELECT a.attnotnull FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'org_id'), false),
                    array(SELECT concat_ws(' | ', p.policyname, p.permissive, p.roles, p.cmd, p.qual, p.with_check)
                          FROM pg_policies p WHERE p.schemaname = 'public' AND p.tablename = c.relname ORDER BY p.policyname),
                    array(SELECT privilege FROM unnest(ARRAY['TRUNCATE', 'REFERENCES', 'TRIGGER']) privilege
                          WHERE has_table_privilege($2, c.oid, privilege))
             FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relname = $1",
        )
        .bind(&table)
        .bind(APP_ROLE)
        .fetch_one(&mut *owner)
        .await
        .unwrap();
        if !row.get::<bool, _>(0) {
            faults.push(format!("{table}: row security is off"));
        }
        if row.get::<bool, _>(1) {
            faults.push(format!("{table}: belongs to the application"));
        }
        if !row.get::<bool, _>(2) {
            faults.push(format!("{table}: has no org_id that is NOT NULL"));
        }
        // One more permissive policy would show more rows, so this one is the only one.
        let policies = row.get::<Vec<String>, _>(3);
        let rule = "(org_id = current_org())";
        if policies != [format!("tenancy | PERMISSIVE | {{{APP_ROLE}}} | ALL | {rule} | {rule}")] {
            faults.push(format!("{table}: its policies are {policies:?}"));
        }
        // TRUNCATE asks no policy, and triggers and references see other orgs' rows.
        faults.extend(row.get::<Vec<String>, _>(4).into_iter().map(|privilege| format!("{table}: the application may {privilege}")));
    }
    // Views run as their owner, whom no policy binds, and the rest of the schema is none of the application's business.
    let others: Vec<String> = sqlx::query_scalar(
        "SELECT c.relname::text FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND (c.relkind IN ('v', 'm', 'f') OR c.relname = $1)
           AND has_any_column_privilege($2, c.oid, 'SELECT, INSERT, UPDATE')",
    )
    .bind(MIGRATIONS)
    .bind(APP_ROLE)
    .fetch_all(&mut *owner)
    .await
    .unwrap();
    faults.extend(others.into_iter().map(|name| format!("{name}: is open to the application")));
    faults
}

#[tokio::test]
async fn every_table_shows_and_takes_the_rows_of_the_named_org_only() {
    let Database { mut owner, mut app, _stack } = Database::start().await;
    assert_eq!(faults(&mut owner).await, [""; 0]);
    let tables = tables(&mut owner).await;
    assert!(tables.len() >= 24, "{tables:?}");
    for table in &tables {
        for org in [None, Some(1), Some(2)] {
            let mut tx = app.begin().await.unwrap();
            if let Some(org) = org {
                sqlx::query("SELECT set_config('app.org_id', $1, true)").bind(org_id(org).to_string()).execute(&mut *tx).await.unwrap();
            }
            let seen: Vec<uuid::Uuid> =
                sqlx::query_scalar(AssertSqlSafe(format!("SELECT org_id FROM public.\"{table}\""))).fetch_all(&mut *tx).await.unwrap();
            assert_eq!(seen, org.map(org_id).into_iter().collect::<Vec<_>>(), "{table} as {org:?}");
            tx.rollback().await.unwrap();
        }
        let [own, other] = ORGS;
        let foreign = insert(&mut owner, table, other, " more").await;
        assert_eq!(attempt(&mut app, Some(own), &foreign).await, Err(NOT_ALLOWED.into()), "{foreign}");
        assert_eq!(attempt(&mut app, None, &foreign).await, Err(NOT_ALLOWED.into()), "{foreign}");
        let give_away = format!("UPDATE public.\"{table}\" SET org_id = '{}'", org_id(other));
        assert_eq!(attempt(&mut app, Some(own), &give_away).await, Err(NOT_ALLOWED.into()), "{give_away}");
        assert_eq!(attempt(&mut app, None, &give_away).await, Ok(0), "{give_away}");
        for statement in [
            format!("UPDATE public.\"{table}\" SET org_id = org_id WHERE org_id = '{}'", org_id(other)),
            format!("DELETE FROM public.\"{table}\" WHERE org_id = '{}'", org_id(other)),
        ] {
            assert_eq!(attempt(&mut app, Some(own), &statement).await, Ok(0), "{statement}");
            // The row's own org reaches it; what stands in the way of a deletion is a reference, not the rule.
            let reached = attempt(&mut app, Some(other), &statement).await;
            assert!(reached == Ok(1) || reached == Err(NO_SUCH_ROW.into()), "{statement}: {reached:?}");
        }
    }
}

#[tokio::test]
async fn a_table_that_was_forgotten_or_opened_is_noticed() {
    let Database { mut owner, _stack, .. } = Database::start().await;
    for (change, fault) in [
        ("CREATE TABLE forgotten (id uuid, org_id uuid NOT NULL)", "forgotten: row security is off"),
        ("CREATE TABLE forgotten (id uuid); ALTER TABLE forgotten ENABLE ROW LEVEL SECURITY", "forgotten: has no org_id that is NOT NULL"),
        ("DROP POLICY tenancy ON posts", "posts: its policies are []"),
        ("ALTER TABLE posts DISABLE ROW LEVEL SECURITY", "posts: row security is off"),
        ("CREATE POLICY open ON posts USING (true)", "posts: its policies are [\"open | PERMISSIVE | {public} | ALL | true\""),
        ("ALTER TABLE posts OWNER TO pressroom_app", "posts: belongs to the application"),
        ("GRANT TRUNCATE ON posts TO pressroom_app", "posts: the application may TRUNCATE"),
        (
            "CREATE VIEW all_posts AS SELECT * FROM posts; GRANT SELECT ON all_posts TO pressroom_app",
            "all_posts: is open to the application",
        ),
    ] {
        let mut tx = owner.begin().await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(change.to_owned())).execute(&mut *tx).await.unwrap();
        let found = faults(&mut tx).await;
        assert!(found.iter().any(|found| found.starts_with(fault)), "{change}: {found:?}");
        tx.rollback().await.unwrap();
    }
    assert_eq!(faults(&mut owner).await, [""; 0]);
}

#[tokio::test]
async fn the_application_cannot_lift_the_rule() {
    let Database { mut owner, mut app, _stack } = Database::start().await;
    let row = sqlx::query(
        "SELECT rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication,
                EXISTS (SELECT 1 FROM pg_auth_members WHERE member = r.oid),
                EXISTS (SELECT 1 FROM pg_shdepend WHERE refclassid = 'pg_authid'::regclass AND refobjid = r.oid AND deptype = 'o')
         FROM pg_roles r WHERE rolname = $1",
    )
    .bind(APP_ROLE)
    .fetch_one(&mut owner)
    .await
    .unwrap();
    assert_eq!([row.get::<bool, _>(0), row.get(1), row.get(2)], [false; 3], "an attribute, a membership, something it owns");
    let owner_role: String = sqlx::query_scalar("SELECT current_user::text").fetch_one(&mut owner).await.unwrap();
    for statement in [
        format!("SET ROLE \"{owner_role}\""),
        format!("SET SESSION AUTHORIZATION \"{owner_role}\""),
        format!("ALTER ROLE {APP_ROLE} BYPASSRLS"),
        "ALTER TABLE posts DISABLE ROW LEVEL SECURITY".to_owned(),
        "DROP POLICY tenancy ON posts".to_owned(),
        "ALTER POLICY tenancy ON posts USING (true)".to_owned(),
        "CREATE POLICY open ON posts USING (true)".to_owned(),
        "TRUNCATE posts".to_owned(),
        "CALL put_under_tenancy('posts')".to_owned(),
        "SET session_replication_role = replica".to_owned(),
        "CREATE TABLE mine (id uuid)".to_owned(),
        "CREATE FUNCTION mine() RETURNS integer LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'".to_owned(),
        "CREATE OR REPLACE FUNCTION current_org() RETURNS uuid LANGUAGE sql AS 'SELECT NULL::uuid'".to_owned(),
        "ALTER FUNCTION find_user(text) SECURITY INVOKER".to_owned(),
        // In its own temporary schema it could put tables with triggers in the way of the functions that run as the owner.
        "CREATE TEMPORARY TABLE links (id uuid)".to_owned(),
        "CREATE FUNCTION pg_temp.mine() RETURNS integer LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'".to_owned(),
    ] {
        assert_eq!(attempt(&mut app, Some(1), &statement).await, Err(NOT_ALLOWED.into()), "{statement}");
    }
    // With row security switched off for a session the rule still holds: the query is refused instead.
    assert_eq!(attempt(&mut app, Some(1), "SET LOCAL row_security = off; SELECT * FROM posts").await, Err(NOT_ALLOWED.into()));
}

#[tokio::test]
async fn no_reference_reaches_into_another_org() {
    let Database { mut owner, _stack, .. } = Database::start().await;
    let [own, other] = ORGS;
    let mut tried = 0;
    for reference in references(&mut owner).await {
        let (table, target) = (&reference.table, &reference.target);
        let org = reference.columns.iter().find(|(column, _)| column == "org_id");
        assert_eq!(org.map(|(_, target)| target.as_str()), Some("org_id"), "{table} refers to {target} without the org");
        let Some(column) = reference.column() else {
            assert_eq!(target, "orgs", "{table} refers to {target} by {:?}", reference.columns);
            continue;
        };
        let point = |to| format!("UPDATE public.\"{table}\" SET \"{column}\" = '{}' WHERE org_id = '{}'", id(to, target), org_id(own));
        // As the superuser, whom no policy binds: the reference alone must refuse it.
        assert_eq!(attempt(&mut owner, None, &point(other)).await, Err(NO_SUCH_ROW.into()), "{}", point(other));
        assert_eq!(attempt(&mut owner, None, &point(own)).await, Ok(1), "{}", point(own));
        tried += 1;
    }
    assert!(tried >= 18, "only {tried} references were found");
    let variant = insert(&mut owner, "variants", own, " more").await;
    let misplaced = variant.replace(&id(own, "posts").to_string(), &id(other, "posts").to_string());
    assert_ne!(variant, misplaced);
    assert_eq!(attempt(&mut owner, None, &misplaced).await, Err(NO_SUCH_ROW.into()));
}

#[tokio::test]
async fn what_is_asked_before_an_org_is_known_answers_one_row_by_its_exact_key() {
    let Database { mut owner, mut app, _stack } = Database::start().await;
    let functions: Vec<String> = sqlx::query_scalar(
        "SELECT p.proname::text FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace AND p.prosecdef ORDER BY 1",
    )
    .fetch_all(&mut owner)
    .await
    .unwrap();
    assert_eq!(
        functions,
        ["find_api_key", "find_oauth_state", "find_org", "find_session", "find_user", "follow_link"],
        "each of them has its tests below"
    );
    let loose: Vec<String> = sqlx::query_scalar(
        "SELECT proname::text FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace
           AND NOT coalesce(proconfig @> ARRAY['search_path=public, pg_temp'], false)",
    )
    .fetch_all(&mut owner)
    .await
    .unwrap();
    assert_eq!(loose, [""; 0], "these look for their tables among the caller's temporary ones first");

    for org in ORGS {
        let keyed = [
            format!("find_api_key('{}')", id(org, "api_keys")),
            format!("find_session('{}')", id(org, "sessions")),
            format!("find_user('email {org}')"),
            format!("find_user('EMAIL {org}')"),
            format!("find_org('{}')", org_id(org)),
            format!("find_oauth_state('state_hash {org}')"),
        ];
        for call in keyed {
            let found: Vec<uuid::Uuid> =
                sqlx::query_scalar(AssertSqlSafe(format!("SELECT org_id FROM {call}"))).fetch_all(&mut app).await.unwrap();
            assert_eq!(found, [org_id(org)], "{call}");
        }
    }
    for call in [
        "find_api_key(NULL)",
        "find_session(NULL)",
        "find_org(NULL)",
        "find_oauth_state(NULL)",
        "find_oauth_state('')",
        "find_oauth_state('state_hash')",
        "find_user(NULL)",
        "find_user('%')",
        "find_user('email _')",
        "find_user('email')",
        "find_user('')",
        "find_api_key(gen_random_uuid())",
        "find_session(gen_random_uuid())",
        "find_org(gen_random_uuid())",
    ] {
        let found = sqlx::query(AssertSqlSafe(format!("SELECT 1 FROM {call}"))).fetch_all(&mut app).await.unwrap().len();
        assert_eq!(found, 0, "{call}");
    }
    sqlx::query("UPDATE api_keys SET revoked_at = now() WHERE org_id = $1").bind(org_id(1)).execute(&mut owner).await.unwrap();
    let revoked = format!("SELECT 1 FROM find_api_key('{}')", id(1, "api_keys"));
    assert!(sqlx::query(AssertSqlSafe(revoked)).fetch_all(&mut app).await.unwrap().is_empty(), "a revoked key is no key");

    let follow = "SELECT follow_link($1, $2)";
    for nobody in ["%", "code", "", "CODE 1"] {
        let target: Option<String> = sqlx::query_scalar(follow).bind(nobody).bind(true).fetch_one(&mut app).await.unwrap();
        assert_eq!(target, None, "{nobody}");
    }
    for counts in [false, true] {
        let target: Option<String> = sqlx::query_scalar(follow).bind("code 2").bind(counts).fetch_one(&mut app).await.unwrap();
        assert_eq!(target.as_deref(), Some("target 2"));
    }
    let clicks: Vec<(uuid::Uuid, i64)> =
        sqlx::query_as("SELECT org_id, sum(clicks)::bigint FROM link_clicks GROUP BY org_id ORDER BY org_id")
            .fetch_all(&mut owner)
            .await
            .unwrap();
    assert_eq!(clicks, [(org_id(1), 1), (org_id(2), 3)], "one visit was counted, for the link's own org");
}
