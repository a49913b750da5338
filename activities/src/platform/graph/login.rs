//! Facebook Login: whose pages a person may write for.

use domain::platform::Platform;
use serde::Deserialize;

use super::{FACEBOOK, edge, read};
use crate::{
    error::{ActivityError, ActivityResult},
    platform::{
        Call, Credentials, Offered,
        oauth::{Exchange, Refresh, Rules},
    },
};

// "Manually build a login flow", "Long-lived access tokens": an hour, exchanged for sixty days; tokens of pages that such a token gives do not end.
// That the token endpoint takes a POST is not documented (the examples are GETs), but it does: graph.facebook.com reads a form as it reads a query.
// PKCE is documented for public clients only.
pub(in crate::platform) static OAUTH: Rules = Rules {
    authorize: "https://www.facebook.com/v25.0/dialog/oauth",
    token: "https://graph.facebook.com/v25.0/oauth/access_token",
    separator: ",",
    pkce: false,
    lengthen: Some(Exchange {
        url: "https://graph.facebook.com/v25.0/oauth/access_token",
        grant_type: "fb_exchange_token",
        token: "fb_exchange_token",
        with_id: true,
        with_secret: true,
    }),
    refresh: Refresh::None,
    ..Rules::STANDARD
};

/// A page.
#[derive(Debug, Deserialize)]
pub(in crate::platform) struct Page {
    pub(in crate::platform) id: String,
    pub(in crate::platform) name: String,
    #[serde(default)]
    access_token: Option<String>,
    pub(in crate::platform) instagram_business_account: Option<Professional>,
}

/// The Instagram account that a page is connected to.
#[derive(Debug, Deserialize)]
pub(in crate::platform) struct Professional {
    pub(in crate::platform) id: String,
    pub(in crate::platform) username: String,
}

/// The page that a page's own token is of. A person's token is told apart by the question: a person has no `category`.
pub(in crate::platform) async fn own_page(call: Call<'_>, fields: &str) -> ActivityResult<super::Answered<Page>> {
    let asked = read::<Page>(call, edge(call.account, FACEBOOK, &["me"], &[("fields", fields)])?).await;
    asked.map_err(|error| match error {
        ActivityError::Rejected { what } => ActivityError::rejected(format_args!("this is not the token of a page: {what}")),
        other => other,
    })
}

/// The accounts behind a person's pages, each with its page's token. `named` picks the id and the name.
pub(in crate::platform) async fn offered(
    call: Call<'_>,
    platform: Platform,
    named: impl Fn(&Page) -> Option<(String, String)>,
) -> ActivityResult<Vec<Offered>> {
    #[derive(Deserialize)]
    struct Data {
        data: Vec<Page>,
    }
    let query = [("fields", "id,name,access_token,instagram_business_account{id,username}"), ("limit", "100")];
    let pages = read::<Data>(call, edge(call.account, FACEBOOK, &["me", "accounts"], &query)?).await?.value.data;
    let offered = pages.into_iter().filter_map(|page| {
        let (id, name) = named(&page)?;
        let credentials = Credentials::new(platform).with_token(page.access_token?, None).with_scopes(call.credentials.scopes().to_vec());
        Some(Offered { id, name, credentials })
    });
    Ok(offered.collect())
}
