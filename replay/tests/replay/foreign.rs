//! A shop that has nothing to do with this crate: services, objects and a workflow, as anybody would write them on Restate.
//!
//! [`Build`] says what is different about a build of it; each is one change that somebody could make.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use restate_sdk::prelude::*;
use serde::{Deserialize, Serialize};

/// What is different about a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Build {
    AsItWas,
    // Harmless.
    OtherClosure,
    OtherRetries,
    LogLine,
    LongerSleep,
    // Not so.
    RenamedRun,
    InsertedRun,
    RemovedRun,
    SwappedRuns,
    ChangedCallArgument,
    ChangedOutput,
    ChangedFanOutOrder,
    ChangedBranch,
    AwaitedEarly,
    ChangedSendTarget,
    ChangedStateKey,
    ChangedStateValue,
    RemovedClear,
    InsertedRead,
    ChangedPromise,
    ResultOfAnotherType,
    Panics,
    FailsEarly,
    Stalls,
}

use Build::*;

/// Counts what closures do: nothing else of the shop acts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Acts(Arc<AtomicUsize>);

impl Acts {
    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    fn act<T>(&self, value: T) -> HandlerResult<T> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(value)
    }

    fn fail<T>(&self, error: HandlerError) -> HandlerResult<T> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Err(error)
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) sku: String,
    pub(crate) amount: u32,
    pub(crate) token: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Receipt {
    pub(crate) total: u32,
    pub(crate) from: Vec<String>,
    pub(crate) how: String,
}

#[derive(Debug, Clone)]
pub(crate) struct Shop {
    pub(crate) build: Build,
    pub(crate) acts: Acts,
}

impl Shop {
    fn is(&self, build: Build) -> bool {
        self.build == build
    }
}

pub(crate) fn endpoint(build: Build, acts: &Acts) -> Endpoint {
    let shop = Shop { build, acts: acts.clone() };
    Endpoint::builder()
        .bind(Checkout(shop.clone()))
        .bind(Stock(shop.clone()))
        .bind(Mailer(shop.clone()))
        .bind(Waits(shop.clone()))
        .bind(Cart(shop.clone()))
        .bind(Approval(shop))
        .build()
}

macro_rules! step {
    ($shop:expr, $context:expr, $name:expr, $value:expr) => {{
        let acts = $shop.acts.clone();
        let value = $value;
        $context.run(move || async move { acts.act(Json(value)) }).name($name).retry_policy(RunRetryPolicy::new()).await?.into_inner()
    }};
}

pub(crate) struct Checkout(Shop);

#[restate_sdk::service]
impl Checkout {
    #[handler]
    async fn order(&self, context: Context<'_>, order: Json<Order>) -> Result<Json<Receipt>, HandlerError> {
        let shop = &self.0;
        let order = order.into_inner();
        if shop.is(LogLine) {
            println!("an order of {}", order.sku);
        }
        assert!(!shop.is(Panics), "this build panics");
        if shop.is(Stalls) {
            std::future::pending::<()>().await;
        }
        if shop.is(FailsEarly) {
            return Err(std::io::Error::other("this build fails").into());
        }
        if shop.is(ResultOfAnotherType) {
            let _: String = step!(shop, context, "price.ask", "three".to_owned());
        }
        if shop.is(InsertedRun) {
            let _: u32 = step!(shop, context, "discount.ask", 1u32);
        }
        let name = if shop.is(RenamedRun) { "price.fetch" } else { "price.ask" };
        let value = if shop.is(OtherClosure) { 4u32 } else { 3u32 };
        let policy = if shop.is(OtherRetries) { RunRetryPolicy::default().max_attempts(3) } else { RunRetryPolicy::new() };
        let (mut price, mut tax) = (0, 0);
        for first in if shop.is(SwappedRuns) { [false, true] } else { [true, false] } {
            if first {
                let acts = shop.acts.clone();
                price = context.run(|| async move { acts.act(value) }).name(name).retry_policy(policy.clone()).await?;
            } else if !shop.is(RemovedRun) {
                tax = step!(shop, context, "tax.ask", 1u32);
            }
        }
        if shop.is(ChangedBranch) || order.amount > 100 {
            let _: u32 = step!(shop, context, "credit.check", 7u32);
            context.service_client::<MailerClient>().manual(Json(order.clone())).send();
            return Ok(Json(Receipt { total: 0, from: vec![], how: "by hand".to_owned() }));
        }
        let mut cities = ["berlin", "paris", "madrid"];
        if shop.is(ChangedFanOutOrder) {
            cities.swap(0, 2);
        }
        let mut calls = DurableFuturesUnordered::new();
        for city in cities {
            let asked = if shop.is(ChangedCallArgument) && city == "paris" { "lyon" } else { city };
            calls.push(context.service_client::<StockClient>().check(Json((asked.to_owned(), order.amount))).call());
        }
        let mut from = Vec::new();
        while let Some((_, stock)) = calls.next().await? {
            from.push(stock?.into_inner());
        }
        from.sort();
        let charged: String = step!(shop, context, "card.charge", format!("charged {}", (price + tax) * order.amount));
        context.sleep(Duration::from_millis(if shop.is(LongerSleep) { 90_000 } else { 20 })).await?;
        let mailer = context.service_client::<MailerClient>();
        if shop.is(ChangedSendTarget) {
            mailer.manual(Json(order.clone())).send();
        } else {
            mailer.receipt(Json(charged.clone())).send_after(Duration::from_millis(30));
        }
        context.object_client::<CartClient>(order.sku.clone()).add(Json(order.amount)).send();
        let total = (price + tax) * order.amount + u32::from(shop.is(ChangedOutput));
        Ok(Json(Receipt { total, from, how: charged }))
    }

    /// A terminal failure of a step, a compensation, a terminal failure of the handler.
    #[handler]
    async fn refused(&self, context: Context<'_>, order: Json<Order>) -> Result<(), HandlerError> {
        let shop = &self.0;
        let acts = shop.acts.clone();
        let charged = context
            .run(|| async move { acts.fail::<Json<u32>>(TerminalError::new_with_code(402, "no funds").into()) })
            .name(if shop.is(RenamedRun) { "card.bill" } else { "card.charge" })
            .await;
        if let Err(error) = charged {
            if !shop.is(RemovedRun) {
                let _: u32 = step!(shop, context, "order.undo", order.into_inner().amount);
            }
            return Err(TerminalError::new_with_code(422, format!("refused: {}", error.message())).into());
        }
        Ok(())
    }

    /// A step that fails for ever.
    #[handler]
    async fn stuck(&self, context: Context<'_>, order: Json<Order>) -> Result<(), HandlerError> {
        let shop = &self.0;
        let _: u32 = step!(shop, context, "order.note", order.into_inner().amount);
        let acts = shop.acts.clone();
        let policy = RunRetryPolicy::new().initial_delay(Duration::from_millis(200)).exponentiation_factor(2.0);
        let name = if shop.is(RenamedRun) { "bank.inquire" } else { "bank.ask" };
        context
            .run(|| async move { acts.fail::<()>(std::io::Error::other("the bank is closed").into()) })
            .name(name)
            .retry_policy(policy)
            .await?;
        Ok(())
    }

    /// Fails between its steps, for ever.
    #[handler]
    async fn broken(&self, context: Context<'_>) -> Result<(), HandlerError> {
        let _: u32 = step!(self.0, context, "before", 1u32);
        Err(std::io::Error::other("broken for ever").into())
    }
}

pub(crate) struct Stock(Shop);

#[restate_sdk::service]
impl Stock {
    #[handler]
    async fn check(&self, context: Context<'_>, asked: Json<(String, u32)>) -> Result<Json<String>, HandlerError> {
        let (city, amount) = asked.into_inner();
        let found: String = step!(self.0, context, "stock.read", format!("{amount} in {city}"));
        Ok(Json(found))
    }

    /// Sends so many messages at once, then acts.
    #[handler]
    async fn flood(&self, context: Context<'_>, messages: Json<u32>) -> Result<(), HandlerError> {
        for number in 0..messages.into_inner() {
            context.service_client::<StockClient>().check(Json(("oslo".to_owned(), number))).send();
        }
        let _: u32 = step!(self.0, context, "flood.note", 1u32);
        Ok(())
    }

    /// Calls itself, as a tree.
    #[handler]
    async fn tree(&self, context: Context<'_>, asked: Json<(u32, u32)>) -> Result<Json<u32>, HandlerError> {
        let (width, depth) = asked.into_inner();
        let mut calls = DurableFuturesUnordered::new();
        for _ in 0..if depth == 0 { 0 } else { width } {
            calls.push(context.service_client::<StockClient>().tree(Json((width, depth - 1))).call());
        }
        let mut sum = 1;
        while let Some((_, below)) = calls.next().await? {
            sum += below?.into_inner();
        }
        Ok(Json(sum))
    }
}

pub(crate) struct Mailer(Shop);

#[restate_sdk::service]
impl Mailer {
    #[handler]
    async fn receipt(&self, context: Context<'_>, text: Json<String>) -> Result<(), HandlerError> {
        let _: usize = step!(self.0, context, "mail.send", text.into_inner().len());
        Ok(())
    }

    #[handler]
    async fn manual(&self, context: Context<'_>, order: Json<Order>) -> Result<(), HandlerError> {
        let _: u32 = step!(self.0, context, "mail.send", order.into_inner().amount);
        Ok(())
    }
}

pub(crate) struct Waits(Shop);

#[restate_sdk::service]
impl Waits {
    /// Hands out an awakeable, does something else, and waits for it.
    #[handler]
    async fn awakeable(&self, context: Context<'_>, to: Json<String>) -> Result<Json<String>, HandlerError> {
        let shop = &self.0;
        let (id, answer) = context.awakeable::<Json<String>>();
        context.object_client::<CartClient>(to.into_inner()).hold(Json(id)).send();
        if shop.is(AwaitedEarly) {
            let answer = answer.await?.into_inner();
            let asked: String = step!(shop, context, "question.ask", "asked".to_owned());
            return Ok(Json(format!("{asked}: {answer}")));
        }
        let asked: String = step!(shop, context, "question.ask", "asked".to_owned());
        let answer = answer.await?.into_inner();
        let noted: String = step!(shop, context, "answer.note", answer);
        Ok(Json(format!("{asked}: {noted}")))
    }

    /// Waits for an awakeable or for a day, whichever comes first.
    #[handler]
    async fn either(&self, context: Context<'_>) -> Result<Json<String>, HandlerError> {
        let (_id, answer) = context.awakeable::<Json<String>>();
        let late = context.sleep(Duration::from_secs(86_400));
        let said = restate_sdk::select! {
            answer = answer => { answer?.into_inner() },
            _ = late => { "too late".to_owned() }
        };
        let _: u32 = step!(self.0, context, "said.note", 1u32);
        Ok(Json(said))
    }

    /// Calls something that waits; when cancelled, it cleans up.
    #[handler]
    async fn cancelled(&self, context: Context<'_>) -> Result<(), HandlerError> {
        let _: u32 = step!(self.0, context, "begin", 1u32);
        let result = context.service_client::<WaitsClient>().either().call().await;
        if let Err(error) = result {
            let _: u32 = step!(self.0, context, if self.0.is(RenamedRun) { "tidy" } else { "clean.up" }, 2u32);
            return Err(error.into());
        }
        Ok(())
    }

    /// Waits for a signal by name.
    #[handler]
    async fn signalled(&self, context: Context<'_>) -> Result<String, HandlerError> {
        Ok(context.signal::<String>("approval").await?)
    }

    #[handler]
    async fn signal(&self, context: Context<'_>, id: String) -> Result<(), HandlerError> {
        context.invocation_handle(id).signal("approval").resolve("yes".to_owned());
        Ok(())
    }

    /// Calls, waits for the id, then for the result.
    #[handler]
    async fn calls_by_id(&self, context: Context<'_>) -> Result<Json<String>, HandlerError> {
        let call = context.service_client::<StockClient>().check(Json(("oslo".to_owned(), 1))).call();
        let handle = call.invocation_handle().await?;
        let found = call.await?.into_inner();
        Ok(Json(format!("{}: {found}", handle.invocation_id().len())))
    }

    /// Draws an id, sends it, waits for the invocation's id, attaches.
    #[handler]
    async fn attaches(&self, mut context: Context<'_>) -> Result<Json<String>, HandlerError> {
        let drawn = context.rand_uuid().to_string();
        let handle = context.service_client::<StockClient>().check(Json((drawn, 1))).send().await?;
        let found = handle.attach::<Json<String>>().await?;
        Ok(found)
    }
}

pub(crate) struct Cart(Shop);

#[restate_sdk::object]
impl Cart {
    #[handler]
    async fn add(&self, context: ObjectContext<'_>, amount: Json<u32>) -> Result<Json<u32>, HandlerError> {
        let shop = &self.0;
        let amount = amount.into_inner();
        let items = context.get::<Json<u32>>("items").await?.map_or(0, Json::into_inner);
        if shop.is(InsertedRead) {
            context.get::<Json<u32>>("limit").await?;
        }
        context.set("items", Json(items + amount + u32::from(shop.is(ChangedStateValue))));
        let key = if shop.is(ChangedStateKey) { "latest" } else { "last" };
        let _: u32 = step!(shop, context, "cart.audit", items);
        context.set(key, Json(amount));
        let keys = context.get_keys().await?;
        if !shop.is(RemovedClear) {
            context.clear("draft");
        }
        Ok(Json(u32::try_from(keys.len()).unwrap_or(0) + items))
    }

    /// Keeps the id of an awakeable.
    #[handler]
    async fn hold(&self, context: ObjectContext<'_>, id: Json<String>) -> Result<(), HandlerError> {
        context.set("held", id);
        Ok(())
    }

    /// Answers it.
    #[handler]
    async fn answer(&self, context: ObjectContext<'_>, text: Json<String>) -> Result<(), HandlerError> {
        if let Some(id) = context.get::<Json<String>>("held").await? {
            context.resolve_awakeable(&id.into_inner(), text);
            context.clear_all();
        }
        Ok(())
    }
}

pub(crate) struct Approval(Shop);

#[restate_sdk::workflow]
impl Approval {
    #[handler]
    async fn run(&self, context: WorkflowContext<'_>) -> Result<String, HandlerError> {
        let early = context.peek_promise::<String>("decision").await?.unwrap_or_else(|| "none".to_owned());
        let name = if self.0.is(ChangedPromise) { "verdict" } else { "decision" };
        let decision = context.promise::<String>(name).await?;
        Ok(format!("{early}, then {decision}"))
    }

    #[handler]
    async fn decide(&self, context: SharedWorkflowContext<'_>, decision: String) -> Result<(), HandlerError> {
        context.resolve_promise::<String>("decision", decision);
        Ok(())
    }
}
