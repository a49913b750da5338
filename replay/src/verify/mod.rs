//! A build against everything that is recorded or in flight.

mod junit;
mod report;

use std::path::{Path, PathBuf};

use futures::{StreamExt as _, stream};

pub use report::{Counts, Unread, Verified, VerifyReport};

use crate::{
    bundle::{Bundle, Run},
    export::{Export, ExportError},
    replay::Replayer,
};

/// How many runs in flight are asked for at once.
const PAGE: usize = 100;

/// Replays many runs against one build, on all cores, in bounded memory: a bundle is read when its turn comes and dropped when it is judged,
/// and of a faithful run nothing is kept but that it was counted.
#[derive(Debug, Clone)]
pub struct Verify {
    replayer: Replayer,
    at_once: usize,
    keep_faithful: bool,
}

impl Verify {
    /// Against the endpoint of this replayer, as many at once as there are cores.
    #[must_use]
    pub fn new(replayer: Replayer) -> Self {
        let at_once = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { replayer, at_once, keep_faithful: false }
    }

    /// So many at once.
    #[must_use]
    pub fn at_once(mut self, at_once: usize) -> Self {
        self.at_once = at_once.max(1);
        self
    }

    /// Keeps the reports of faithful runs as well. Takes memory for each.
    #[must_use]
    pub fn keep_faithful(mut self) -> Self {
        self.keep_faithful = true;
        self
    }

    /// Bundles, which are read one by one as they are needed.
    pub async fn bundles<I>(&self, bundles: I) -> VerifyReport
    where
        I: IntoIterator<Item = Bundle>,
        I::IntoIter: Send,
    {
        let bundles = bundles.into_iter().map(|bundle| Work::Bundle(Box::new(bundle)));
        self.all(stream::iter(bundles)).await
    }

    /// Files that hold bundles. One that cannot be read is told as such and does not end the others.
    pub async fn files<I>(&self, paths: I) -> VerifyReport
    where
        I: IntoIterator,
        I::Item: Into<PathBuf>,
        I::IntoIter: Send,
    {
        self.all(stream::iter(paths.into_iter().map(|path| Work::File(path.into())))).await
    }

    /// All files of a folder, in the order of their names; not those of folders within.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub async fn folder(&self, folder: impl AsRef<Path>) -> std::io::Result<VerifyReport> {
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                paths.push(entry.path());
            }
        }
        paths.sort_unstable();
        Ok(self.files(paths).await)
    }

    /// Everything that is in flight on a server, a page at a time. Runs that begin meanwhile may be missed: they begin on whatever deployment
    /// is the latest then.
    ///
    /// # Errors
    /// When the server is away.
    pub async fn in_flight(&self, export: &Export) -> Result<VerifyReport, ExportError> {
        let mut report = VerifyReport::default();
        let mut after = None;
        loop {
            let ids = export.in_flight(after.as_ref(), PAGE).await?;
            let Some(last) = ids.last() else { break };
            after = Some(last.clone());
            // What has no journal yet has no step that could differ.
            let runs = export.runs(&ids).await?.into_iter().filter(|run| !run.journal.is_empty());
            let page = self.all(stream::iter(runs.map(|run| Work::Run(Box::new(run))))).await;
            report.add(page);
        }
        report.sort();
        Ok(report)
    }

    async fn all(&self, work: impl futures::Stream<Item = Work>) -> VerifyReport {
        let keep = self.keep_faithful;
        let one = |work: Work| {
            let replayer = self.replayer.clone();
            // A task each, for all cores; a guard's task-local is set within.
            let task = tokio::spawn(async move { work.verify(&replayer, keep).await });
            async move { task.await.unwrap_or_else(|error| VerifyReport::broken(&error.to_string())) }
        };
        let mut reports = std::pin::pin!(work.map(one).buffer_unordered(self.at_once));
        let mut report = VerifyReport::default();
        while let Some(one) = reports.next().await {
            report.add(one);
        }
        report.sort();
        report
    }
}

enum Work {
    Bundle(Box<Bundle>),
    Run(Box<Run>),
    File(PathBuf),
}

impl Work {
    async fn verify(self, replayer: &Replayer, keep_faithful: bool) -> VerifyReport {
        let mut report = VerifyReport::default();
        let (source, runs) = match self {
            Self::Bundle(bundle) => (None, bundle.runs),
            Self::Run(run) => (None, vec![*run]),
            Self::File(path) => {
                let name = path.display().to_string();
                match tokio::task::spawn_blocking(move || Bundle::open(path)).await {
                    Ok(Ok(bundle)) => (Some(name), bundle.runs),
                    Ok(Err(error)) => return VerifyReport::unread(name, &error.to_string()),
                    Err(error) => return VerifyReport::unread(name, &error.to_string()),
                }
            }
        };
        for run in &runs {
            let judged = replayer.replay(run).await;
            report.count(source.as_deref(), judged, keep_faithful);
        }
        report
    }
}
