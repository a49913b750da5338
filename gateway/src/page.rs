//! Lists: `?limit=1..200&cursor=` and `{"items", "next_cursor"}`.

use std::{fmt::Display, str::FromStr};

use data_encoding::BASE64URL_NOPAD;
use domain::ids::BrandId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::problem::Problem;

/// How many items a page has unless the client says.
const DEFAULT_LIMIT: u16 = 50;
/// How many it has at most.
const MAX_LIMIT: u16 = 200;

/// Which page.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageParams {
    /// How many items, 1 to 200; 50 unless said.
    #[param(minimum = 1, maximum = 200)]
    pub(crate) limit: Option<u16>,
    /// `next_cursor` of the page before.
    pub(crate) cursor: Option<String>,
}

/// Which page, of what belongs to which brand.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct BrandPageParams {
    /// Of this brand only.
    #[param(value_type = Option<String>)]
    pub(crate) brand_id: Option<BrandId>,
    /// How many items, 1 to 200; 50 unless said.
    #[param(minimum = 1, maximum = 200)]
    pub(crate) limit: Option<u16>,
    /// `next_cursor` of the page before.
    pub(crate) cursor: Option<String>,
}

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Page<T> {
    /// The items.
    pub(crate) items: Vec<T>,
    /// Where the next page begins; null on the last.
    pub(crate) next_cursor: Option<String>,
}

/// A page that was asked for: what to ask the database.
#[derive(Debug)]
pub(crate) struct Slice<I> {
    /// The last id of the page before.
    pub(crate) after: Option<I>,
    limit: u16,
}

impl<I: FromStr + Display> Slice<I> {
    /// Checks what the client sent.
    ///
    /// # Errors
    /// When the limit is out of range, or the cursor did not come from us.
    pub(crate) fn new(limit: Option<u16>, cursor: Option<&str>) -> Result<Self, Problem> {
        let limit = limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(Problem::field("/limit", format!("must be 1 to {MAX_LIMIT}")));
        }
        let after = cursor.map(|text| decode(text).ok_or_else(|| Problem::field("/cursor", "is not a cursor of this list"))).transpose()?;
        Ok(Self { after, limit })
    }

    /// How many rows to ask for: one more than the page has, to know whether another follows.
    pub(crate) fn rows(&self) -> i64 {
        i64::from(self.limit) + 1
    }

    /// Makes the page of the rows that came.
    pub(crate) fn page<R, T>(&self, mut rows: Vec<R>, id: impl Fn(&R) -> I, show: impl Fn(R) -> T) -> Page<T> {
        let limit = usize::from(self.limit);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next_cursor = if more { rows.last().map(|row| encode(&id(row))) } else { None };
        Page { items: rows.into_iter().map(show).collect(), next_cursor }
    }
}

/// Opaque, so that clients do not build cursors, and later versions may put other things in.
fn encode(id: &impl Display) -> String {
    BASE64URL_NOPAD.encode(format!("1:{id}").as_bytes())
}

fn decode<I: FromStr>(text: &str) -> Option<I> {
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
    String::from_utf8(bytes).ok()?.strip_prefix("1:")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_end_and_cursors_lead_on() {
        let slice = Slice::<u32>::new(Some(2), None).unwrap();
        assert_eq!(slice.rows(), 3);
        let page = slice.page(vec![9, 8, 7], |n| *n, |n| n);
        assert_eq!(page.items, [9, 8]);
        let next = Slice::<u32>::new(Some(2), page.next_cursor.as_deref()).unwrap();
        assert_eq!(next.after, Some(8));
        assert_eq!(next.page(vec![7, 6], |n| *n, |n| n).next_cursor, None);
    }

    #[test]
    fn a_bad_cursor_or_limit_is_refused() {
        for cursor in ["", "x", "MTo", "Mjo3", "!!"] {
            assert!(Slice::<u32>::new(None, Some(cursor)).is_err(), "{cursor}");
        }
        assert!(Slice::<u32>::new(Some(0), None).is_err());
        assert!(Slice::<u32>::new(Some(201), None).is_err());
    }
}
