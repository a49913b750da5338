//! A stand-in for object storage: the S3 protocol (crate `s3s`) over a folder, on loopback, with one pair of credentials.
//!
//! Signatures are checked, those of presigned URLs too. Two things a real store does better: it loses the content type of what it stores, and an
//! upload whose SHA-256 is wrong is answered with `BadDigest` but has been written by then. So nobody may rely on a store for either.
//! Every answer carries `Server: pressroom-sandbox (stand-in)`.

use std::{net::SocketAddr, path::PathBuf};

use anyhow::Context as _;
use http::HeaderValue;
use hyper::{Request, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use s3s::{auth::SimpleAuth, service::S3ServiceBuilder};
use s3s_fs::FileSystem;
use tokio::{
    net::TcpListener,
    task::{JoinHandle, JoinSet},
};

/// What the stand-in calls itself in its answers.
pub const SERVER: &str = "pressroom-sandbox (stand-in)";

/// How the stand-in starts.
#[derive(Debug, Clone)]
pub struct Options {
    /// The port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// The folder that holds the objects; it is made if it is missing. A folder in it is a bucket.
    pub folder: PathBuf,
    /// The access key id that clients sign with.
    pub access_key: String,
    /// The secret that clients sign with.
    pub secret_key: String,
}

/// A running stand-in; ends when it is dropped.
#[derive(Debug)]
pub struct ObjectStore {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl ObjectStore {
    /// Starts one on 127.0.0.1.
    ///
    /// # Errors
    /// The port is taken, or the folder cannot be used.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&options.folder).with_context(|| format!("make {}", options.folder.display()))?;
        let files = FileSystem::new(&options.folder)
            .map_err(|error| anyhow::anyhow!("object store stand-in: {}: {error:?}", options.folder.display()))?;
        let mut builder = S3ServiceBuilder::new(files);
        builder.set_auth(SimpleAuth::from_single(options.access_key, options.secret_key));
        let s3 = builder.build();
        let listener = TcpListener::bind(("127.0.0.1", options.port))
            .await
            .with_context(|| format!("object store stand-in: port {}", options.port))?;
        let address = listener.local_addr()?;
        let accepting = tokio::spawn(async move {
            // Connections live in this task's set, so that dropping the store ends them with it.
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                        let s3 = s3.clone();
                        connections.spawn(async move {
                            let named = service_fn(move |request: Request<Incoming>| {
                                let (s3, request) = (s3.clone(), request.map(s3s::Body::from));
                                async move {
                                    s3.call(request).await.map(|mut answer| {
                                        answer.headers_mut().insert(http::header::SERVER, HeaderValue::from_static(SERVER));
                                        answer
                                    })
                                }
                            });
                            let served = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), named).await;
                            if let Err(error) = served {
                                tracing::debug!("object store stand-in: a connection ended: {error}");
                            }
                        });
                    },
                    Some(_) = connections.join_next() => {}
                }
            }
        });
        Ok(Self { address, accepting })
    }

    /// Its address, for a client that puts the bucket into the path.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for ObjectStore {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}
