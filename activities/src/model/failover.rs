//! Several models in order: the first that answers, with those that just failed passed over for a while.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use reqwest::Client;

use super::{
    Anthropic, Completed, CompletionRequest, LanguageModel, ModelSettings, OnProgress, OpenAi, OpenAiEmbedder, Progress, ProviderKind,
    SettingsError,
};
use crate::{ActivityError, ActivityResult};

/// The models of an installation, in the order in which they are asked.
///
/// What it remembers is a cache with a stated age, kept in this process: a provider that failed is passed over for `put_aside`, one that is
/// rate-limited for as long as it asked. Nothing is lost with it but a few attempts.
pub struct Models {
    lanes: Vec<Lane>,
    put_aside: Duration,
    now: Box<dyn Fn() -> Instant + Send + Sync>,
}

struct Lane {
    model: Arc<dyn LanguageModel>,
    aside: Mutex<Option<Aside>>,
}

#[derive(Debug, Clone)]
struct Aside {
    until: Instant,
    because: ActivityError,
}

/// How a provider is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Its name in the settings.
    pub provider: String,
    /// For how much longer it is passed over; `None` if it is asked.
    pub aside_for: Option<Duration>,
    /// Why it is passed over.
    pub because: Option<String>,
}

impl Models {
    /// The models and the embedder of `settings`, called through `client` ([`super::http_client`]).
    ///
    /// # Errors
    /// Values that cannot work.
    pub fn from_settings(settings: &ModelSettings, client: &Client) -> Result<(Self, OpenAiEmbedder), SettingsError> {
        settings.validate()?;
        let models = settings.providers.iter().map(|provider| match provider.kind {
            ProviderKind::OpenAi => Arc::new(OpenAi::new(provider, client)) as Arc<dyn LanguageModel>,
            ProviderKind::Anthropic => Arc::new(Anthropic::new(provider, client)),
        });
        let models = Self::new(models.collect(), Duration::from_millis(settings.put_aside_ms));
        Ok((models, OpenAiEmbedder::new(&settings.embedder, client)))
    }

    /// Models of any kind, in the order in which they are to be asked.
    #[must_use]
    pub fn new(models: Vec<Arc<dyn LanguageModel>>, put_aside: Duration) -> Self {
        let lanes = models.into_iter().map(|model| Lane { model, aside: Mutex::new(None) }).collect();
        Self { lanes, put_aside, now: Box::new(Instant::now) }
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.lanes.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    /// How each is doing, in order.
    #[must_use]
    pub fn health(&self) -> Vec<Health> {
        let now = (self.now)();
        let health = |lane: &Lane| {
            let aside = lane.aside_at(now);
            Health {
                provider: lane.model.name().to_owned(),
                aside_for: aside.as_ref().map(|aside| aside.until - now),
                because: aside.map(|aside| aside.because.what().to_owned()),
            }
        };
        self.lanes.iter().map(health).collect()
    }

    /// Asks one provider, by its place in the settings (from 0), whether it is put aside or not, and remembers how that went.
    ///
    /// # Errors
    /// The provider's; `Rejected` if there is none at that place.
    pub async fn complete_with(&self, index: usize, request: &CompletionRequest, on_progress: OnProgress<'_>) -> ActivityResult<Completed> {
        let Some(lane) = self.lanes.get(index) else {
            return Err(ActivityError::rejected(format_args!("there is no model number {index}: the settings name {}", self.lanes.len())));
        };
        let result = lane.model.complete(request, on_progress).await;
        let now = (self.now)();
        let aside = match &result {
            Ok(_) => None,
            // The request may be what is wrong, and then the provider is fine.
            Err(ActivityError::Rejected { .. }) => return result,
            Err(because @ ActivityError::RateLimited { retry_after_ms, .. }) => {
                Some(Aside { until: now + Duration::from_millis(*retry_after_ms), because: because.clone() })
            }
            Err(because) => Some(Aside { until: now + self.put_aside, because: because.clone() }),
        };
        if let Some(aside) = &aside {
            tracing::warn!(provider = lane.model.name(), error = %aside.because, "a model failed and is put aside");
        }
        *lane.aside.lock().unwrap_or_else(PoisonError::into_inner) = aside;
        result
    }

    /// Asks one after the other until one answers: first those that are well, then those that failed lately, for a cached failure must never be
    /// the reason for a new one. Those that asked to wait are left alone until they have had their wait.
    ///
    /// # Errors
    /// If none answers, one error that names what each said: retryable if any of them was, after the shortest wait if all asked for one.
    pub async fn complete(&self, request: &CompletionRequest, on_progress: OnProgress<'_>) -> ActivityResult<Completed> {
        let now = (self.now)();
        let (mut well, mut failed, mut errors) = (Vec::new(), Vec::new(), Vec::new());
        for (index, lane) in self.lanes.iter().enumerate() {
            match lane.aside_at(now) {
                None => well.push(index),
                Some(Aside { until, because: ActivityError::RateLimited { what, .. } }) => {
                    errors.push(ActivityError::rate_limited(until - now, what));
                }
                Some(_) => failed.push(index),
            }
        }
        for index in well.into_iter().chain(failed) {
            match self.complete_with(index, request, &mut |progress: Progress<'_>| on_progress(progress)).await {
                Ok(completed) => return Ok(completed),
                Err(error) => errors.push(error),
            }
        }
        Err(sum_up(&errors))
    }
}

impl Lane {
    fn aside_at(&self, now: Instant) -> Option<Aside> {
        self.aside.lock().unwrap_or_else(PoisonError::into_inner).clone().filter(|aside| aside.until > now)
    }
}

impl fmt::Debug for Models {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.health()).finish()
    }
}

/// One error for all: the least final of them, saying what each said.
fn sum_up(errors: &[ActivityError]) -> ActivityError {
    let what = match errors {
        [] => return ActivityError::rejected("no model is set up: name at least one in `providers`"),
        [only] => return only.clone(),
        _ => format!("no model answered: {}", errors.iter().map(ActivityError::what).collect::<Vec<_>>().join("; ")),
    };
    let waits = errors.iter().filter_map(|error| match error {
        ActivityError::RateLimited { retry_after_ms, .. } => Some(*retry_after_ms),
        _ => None,
    });
    if errors.iter().any(|error| matches!(error, ActivityError::Transient { .. })) {
        return ActivityError::transient(what);
    }
    match waits.min() {
        Some(ms) => ActivityError::rate_limited(Duration::from_millis(ms), what),
        None => ActivityError::rejected(what),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use domain::prompt::Prompt;
    use futures::future::BoxFuture;

    use super::*;
    use crate::model::Purpose;

    /// A model that answers what it was told to, in order, and counts.
    struct Scripted {
        name: &'static str,
        script: Mutex<Vec<ActivityResult<()>>>,
        calls: AtomicU64,
    }

    impl LanguageModel for Scripted {
        fn name(&self) -> &str {
            self.name
        }

        fn complete<'a>(&'a self, _: &'a CompletionRequest, on_progress: OnProgress<'a>) -> BoxFuture<'a, ActivityResult<Completed>> {
            on_progress(Progress::Started { provider: self.name });
            on_progress(Progress::Text("half a "));
            self.calls.fetch_add(1, Ordering::Relaxed);
            let next = self.script.lock().unwrap().pop().unwrap_or(Ok(()));
            let completed = Completed {
                text: "text".to_owned(),
                input_tokens: 1,
                output_tokens: 1,
                tokens_estimated: false,
                model: "m".to_owned(),
                provider: self.name.to_owned(),
            };
            Box::pin(async move { next.map(|()| completed) })
        }
    }

    struct Bench {
        models: Models,
        scripted: Vec<Arc<Scripted>>,
        elapsed_ms: Arc<AtomicU64>,
    }

    fn bench(scripts: [Vec<ActivityResult<()>>; 2]) -> Bench {
        let scripted: Vec<_> = ["first", "second"]
            .into_iter()
            .zip(scripts)
            .map(|(name, mut script)| {
                script.reverse();
                Arc::new(Scripted { name, script: Mutex::new(script), calls: AtomicU64::new(0) })
            })
            .collect();
        let lanes = scripted.iter().map(|model| Arc::clone(model) as Arc<dyn LanguageModel>).collect();
        let elapsed_ms = Arc::new(AtomicU64::new(0));
        let (start, elapsed) = (Instant::now(), Arc::clone(&elapsed_ms));
        let now = Box::new(move || start + Duration::from_millis(elapsed.load(Ordering::Relaxed)));
        Bench { models: Models { now, ..Models::new(lanes, Duration::from_secs(30)) }, scripted, elapsed_ms }
    }

    impl Bench {
        async fn ask(&self) -> ActivityResult<String> {
            let request = CompletionRequest {
                prompt: Prompt { system: String::new(), user: String::new() },
                temperature: None,
                max_tokens: 9,
                purpose: Purpose::Draft,
            };
            self.models.complete(&request, &mut |_| {}).await.map(|completed| completed.provider)
        }

        fn calls(&self) -> [u64; 2] {
            [0, 1].map(|i| self.scripted[i].calls.load(Ordering::Relaxed))
        }

        fn pass(&self, ms: u64) {
            self.elapsed_ms.fetch_add(ms, Ordering::Relaxed);
        }
    }

    fn down() -> ActivityResult<()> {
        Err(ActivityError::transient("down"))
    }

    fn busy(ms: u64) -> ActivityResult<()> {
        Err(ActivityError::rate_limited(Duration::from_millis(ms), "busy"))
    }

    fn wrong() -> ActivityResult<()> {
        Err(ActivityError::rejected("wrong"))
    }

    #[tokio::test]
    async fn one_that_failed_is_passed_over_until_its_time_is_up() {
        let bench = bench([vec![down()], vec![]]);
        assert_eq!(bench.ask().await.unwrap(), "second");
        let health = bench.models.health();
        assert_eq!((health[0].aside_for, health[0].because.as_deref()), (Some(Duration::from_secs(30)), Some("down")));
        assert_eq!((health[1].aside_for, &health[1].because), (None, &None));
        bench.pass(29_999);
        assert_eq!(bench.ask().await.unwrap(), "second");
        assert_eq!(bench.calls(), [1, 2]);
        bench.pass(1);
        assert_eq!(bench.ask().await.unwrap(), "first");
        assert_eq!(bench.models.health()[0].aside_for, None);
    }

    #[tokio::test]
    async fn one_that_asked_to_wait_is_left_alone_for_exactly_that_long() {
        let bench = bench([vec![busy(90_000)], vec![Ok(()), down()]]);
        assert_eq!(bench.ask().await.unwrap(), "second");
        bench.pass(60_000);
        assert_eq!(bench.ask().await, Err(ActivityError::transient("no model answered: busy; down")));
        assert_eq!(bench.calls(), [1, 2]);
        bench.pass(30_000);
        assert_eq!(bench.ask().await.unwrap(), "first");
    }

    #[tokio::test]
    async fn when_all_have_failed_lately_all_are_asked_again() {
        let bench = bench([vec![down()], vec![down()]]);
        assert_eq!(bench.ask().await, Err(ActivityError::transient("no model answered: down; down")));
        assert_eq!(bench.ask().await.unwrap(), "first");
    }

    #[tokio::test]
    async fn when_all_ask_to_wait_the_shortest_wait_that_is_left_is_told_and_nobody_is_asked() {
        let bench = bench([vec![busy(90_000)], vec![busy(40_000)]]);
        assert_eq!(bench.ask().await, Err(ActivityError::rate_limited(Duration::from_secs(40), "no model answered: busy; busy")));
        bench.pass(15_000);
        assert_eq!(bench.ask().await, Err(ActivityError::rate_limited(Duration::from_secs(25), "no model answered: busy; busy")));
        assert_eq!(bench.calls(), [1, 1]);
    }

    #[tokio::test]
    async fn a_refused_request_goes_to_the_next_and_blames_nobody() {
        let bench = bench([vec![wrong(), wrong(), wrong()], vec![Ok(()), wrong(), busy(7)]]);
        assert_eq!(bench.ask().await.unwrap(), "second");
        assert_eq!(bench.models.health()[0].aside_for, None);
        assert_eq!(bench.ask().await, Err(ActivityError::rejected("no model answered: wrong; wrong")));
        assert_eq!(bench.ask().await, Err(ActivityError::rate_limited(Duration::from_millis(7), "no model answered: wrong; busy")));
    }

    #[tokio::test]
    async fn listeners_learn_that_earlier_text_is_void() {
        let bench = bench([vec![down()], vec![]]);
        let request = CompletionRequest {
            prompt: Prompt { system: String::new(), user: String::new() },
            temperature: None,
            max_tokens: 9,
            purpose: Purpose::Draft,
        };
        let mut heard = Vec::new();
        bench.models.complete(&request, &mut |progress| heard.push(format!("{progress:?}"))).await.unwrap();
        assert_eq!(
            heard,
            [r#"Started { provider: "first" }"#, r#"Text("half a ")"#, r#"Started { provider: "second" }"#, r#"Text("half a ")"#]
        );
    }
}
