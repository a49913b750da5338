//! A row in every table, made from what the catalogue says of it: a table that a later migration adds is seeded, and so tested, by itself.

use sqlx::{AssertSqlSafe, PgConnection, Row as _};
use uuid::Uuid;

/// The two tenants of these tests, by number.
pub(crate) const ORGS: [u8; 2] = [1, 2];

/// The only table of the schema that is not the application's: sqlx's own record of the migrations.
pub(crate) const MIGRATIONS: &str = "_sqlx_migrations";

/// The id of tenant `org`.
pub(crate) fn org_id(org: u8) -> Uuid {
    Uuid::from_u128(u128::from(org))
}

/// The id of a tenant's row in `table`.
pub(crate) fn id(org: u8, table: &str) -> Uuid {
    let name = table.bytes().fold(0_u128, |hash, byte| hash.wrapping_mul(257).wrapping_add(u128::from(byte)));
    Uuid::from_u128((name << 8) | u128::from(org))
}

/// Every table of the schema but [`MIGRATIONS`].
pub(crate) async fn tables(connection: &mut PgConnection) -> Vec<String> {
    sqlx::query_scalar("SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND relname <> $1 ORDER BY 1")
        .bind(MIGRATIONS)
        .fetch_all(connection)
        .await
        .unwrap()
}

/// A reference from one table to another.
pub(crate) struct Reference {
    /// Where it is.
    pub(crate) table: String,
    /// The table that it names a row of.
    pub(crate) target: String,
    /// The columns of both sides, in pairs.
    pub(crate) columns: Vec<(String, String)>,
}

impl Reference {
    /// The column beside `org_id` that names the row; `None` if there is none, or several.
    pub(crate) fn column(&self) -> Option<&str> {
        let mut others = self.columns.iter().filter(|(column, _)| column != "org_id");
        let first = others.next();
        first.filter(|_| others.next().is_none()).map(|(column, _)| column.as_str())
    }
}

/// Every foreign key of the schema.
pub(crate) async fn references(connection: &mut PgConnection) -> Vec<Reference> {
    let rows = sqlx::query(
        "SELECT t.relname::text, r.relname::text,
                array(SELECT a.attname::text FROM unnest(c.conkey) WITH ORDINALITY k(n, i) JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.n ORDER BY i),
                array(SELECT a.attname::text FROM unnest(c.confkey) WITH ORDINALITY k(n, i) JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum = k.n ORDER BY i)
         FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid JOIN pg_class r ON r.oid = c.confrelid
         WHERE c.contype = 'f' AND c.connamespace = 'public'::regnamespace ORDER BY 1, c.conname",
    )
    .fetch_all(connection)
    .await
    .unwrap();
    rows.iter()
        .map(|row| Reference {
            table: row.get(0),
            target: row.get(1),
            columns: row.get::<Vec<String>, _>(2).into_iter().zip(row.get::<Vec<String>, _>(3)).collect(),
        })
        .collect()
}

/// `INSERT` of a tenant's row into `table` with every column that needs a value. `variation` makes rows differ in whatever must be unique.
pub(crate) async fn insert(connection: &mut PgConnection, table: &str, org: u8, variation: &str) -> String {
    let references = references(connection).await;
    let columns = sqlx::query(
        "SELECT a.attname::text, format_type(a.atttypid, NULL),
                (SELECT substring(pg_get_constraintdef(c.oid) FROM '''([^'']+)''') FROM pg_constraint c
                 WHERE c.conrelid = a.attrelid AND c.contype = 'c' AND c.conkey = ARRAY[a.attnum] LIMIT 1)
         FROM pg_attribute a WHERE a.attrelid = ('public.' || quote_ident($1))::regclass AND a.attnum > 0 AND NOT a.attisdropped
           AND a.attnotnull AND NOT a.atthasdef AND a.attidentity = '' ORDER BY a.attnum",
    )
    .bind(table)
    .fetch_all(connection)
    .await
    .unwrap();
    let (mut names, mut values) = (Vec::new(), Vec::new());
    for column in &columns {
        let (name, kind, allowed): (String, String, Option<String>) = (column.get(0), column.get(1), column.get(2));
        let target = references.iter().find(|r| r.table == table && r.column() == Some(&name)).map(|r| r.target.as_str());
        values.push(match (name.as_str(), kind.as_str(), target, allowed) {
            ("org_id", ..) => format!("'{}'", org_id(org)),
            (_, "uuid", Some(target), _) => format!("'{}'", id(org, target)),
            (_, "uuid", None, _) => format!("'{}'", id(org, &format!("{table}{variation}"))),
            // One of the values that a CHECK lists.
            (_, "text", _, Some(allowed)) => format!("'{allowed}'"),
            (_, "text", ..) => format!("'{name} {org}{variation}'"),
            (_, "bytea", ..) => format!("convert_to('{name} {org}{variation}', 'UTF8')"),
            (_, "smallint" | "integer" | "bigint", ..) => org.to_string(),
            (_, "boolean", ..) => "true".to_owned(),
            (_, "json" | "jsonb", ..) => "'{}'".to_owned(),
            (_, "timestamp with time zone", ..) => format!("'2026-11-0{org}T00:00:00Z'"),
            (_, kind, ..) if kind.ends_with("[]") => "'{}'".to_owned(),
            (name, kind, ..) => panic!("{table}.{name} is of type {kind}, for which this seeder has no value yet"),
        });
        names.push(format!("\"{name}\""));
    }
    format!("INSERT INTO public.\"{table}\" ({}) VALUES ({})", names.join(", "), values.join(", "))
}

/// Seeds every table with a row of every tenant, in whatever order the references allow.
pub(crate) async fn seed(owner: &mut PgConnection) {
    let mut left: Vec<(u8, String)> = tables(owner).await.into_iter().flat_map(|table| ORGS.map(|org| (org, table.clone()))).collect();
    while !left.is_empty() {
        let (before, mut refused) = (left.len(), Vec::new());
        for (org, table) in left {
            let statement = insert(owner, &table, org, "").await;
            if let Err(error) = sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *owner).await {
                refused.push((org, table, error));
            }
        }
        assert!(refused.len() < before, "these rows cannot be seeded: {refused:#?}");
        left = refused.into_iter().map(|(org, table, _)| (org, table)).collect();
    }
}
