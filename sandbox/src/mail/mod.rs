//! A stand-in for a mail server: takes every mail over SMTP (RFC 5321), keeps it, delivers nothing.
//!
//! Its banner and the `Received` line that it adds say that it is a stand-in. It can be told to fail at every point at which a real one fails, the
//! awkward ones included: after the content has been received and before anybody was told whether it was accepted.

mod letter;
mod session;

use std::{
    collections::VecDeque,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Context as _;
use tokio::{net::TcpListener, task::JoinHandle};

pub use letter::Letter;

/// What the stand-in calls itself, in its banner and in the mails it keeps.
pub const NAME: &str = "pressroom-sandbox";

/// How the stand-in starts.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// User name and password that senders have to give; `None` takes mail from anybody.
    pub credentials: Option<(String, String)>,
    /// A folder that keeps every mail as a file (`000001.eml`), across restarts too. `None` keeps them in memory.
    pub folder: Option<PathBuf>,
}

/// What goes wrong with one mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The sender is answered with this code (400 to 599).
    RefuseSender(u16),
    /// The recipient is answered with this code (400 to 599).
    RefuseRecipient(u16),
    /// The connection ends at the DATA command, before any content was sent.
    DropBeforeContent,
    /// The content is received, not kept, and answered with this code (400 to 599).
    RefuseContent(u16),
    /// The content is received and not kept; the connection ends without an answer.
    LoseContent,
    /// The content is received and kept; the connection ends without an answer.
    KeepThenDrop,
    /// The content is received and kept, and never answered; the connection stays open.
    KeepThenHang,
}

/// What the sessions share.
#[derive(Debug)]
struct Post {
    letters: Mutex<Vec<Letter>>,
    faults: Mutex<VecDeque<Fault>>,
    credentials: Option<(String, String)>,
    folder: Option<PathBuf>,
}

/// A running stand-in; ends when it is dropped.
#[derive(Debug)]
pub struct MailServer {
    address: SocketAddr,
    post: Arc<Post>,
    accepting: JoinHandle<()>,
}

impl MailServer {
    /// Starts one on 127.0.0.1.
    ///
    /// # Errors
    /// The port is taken, or the folder cannot be read.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        let letters = options.folder.as_deref().map_or_else(|| Ok(Vec::new()), letter::read_all)?;
        let listener =
            TcpListener::bind(("127.0.0.1", options.port)).await.with_context(|| format!("mail stand-in: port {}", options.port))?;
        let address = listener.local_addr()?;
        let post = Arc::new(Post {
            letters: Mutex::new(letters),
            faults: Mutex::default(),
            credentials: options.credentials,
            folder: options.folder,
        });
        let shared = Arc::clone(&post);
        let accepting = tokio::spawn(async move {
            // Sessions live in this task's set, so that dropping the server ends them with it.
            let mut sessions = tokio::task::JoinSet::new();
            loop {
                tokio::select! {
                    accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                        sessions.spawn(session::serve(stream, Arc::clone(&shared)));
                    },
                    Some(_) = sessions.join_next() => {}
                }
            }
        });
        Ok(Self { address, post, accepting })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every mail that it accepted, in the order of arrival.
    #[must_use]
    pub fn mails(&self) -> Vec<Letter> {
        self.post.letters.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets the next mail that has no fault yet go wrong. Faults are used up one a mail, in order.
    pub fn fail_next(&self, fault: Fault) {
        self.post.faults.lock().unwrap_or_else(PoisonError::into_inner).push_back(fault);
    }

    /// How many faults have not been used up.
    #[must_use]
    pub fn faults_left(&self) -> usize {
        self.post.faults.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Post {
    fn next_fault(&self) -> Option<Fault> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// Keeps a mail, in its folder first, so that what was accepted is never lost.
    fn keep(&self, letter: Letter) -> anyhow::Result<()> {
        let mut letters = self.letters.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(folder) = &self.folder {
            letter.write(folder, letters.len() + 1)?;
        }
        letters.push(letter);
        Ok(())
    }
}
