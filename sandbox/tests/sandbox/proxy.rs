//! The chaos proxy, in front of a server that echoes.

use std::time::Duration;

use sandbox::proxy::Proxy;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// A proxy in front of an echo server.
async fn echo() -> Proxy {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    Proxy::start(upstream).await.unwrap()
}

async fn say(stream: &mut TcpStream, text: &[u8]) -> std::io::Result<Vec<u8>> {
    stream.write_all(text).await?;
    let mut answer = vec![0; text.len()];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

#[tokio::test]
async fn in_fair_weather_bytes_pass_and_half_closed_lines_still_answer() {
    let proxy = echo().await;
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    let long = vec![7; 1_000_000];
    let (mut from, mut to) = stream.split();
    let mut answer = Vec::new();
    let (sent, read) = tokio::join!(
        async {
            to.write_all(&long).await.unwrap();
            to.shutdown().await
        },
        from.read_to_end(&mut answer)
    );
    sent.unwrap();
    assert_eq!((read.unwrap(), answer), (long.len(), long));
    drop(stream);
    while proxy.connections() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn cut_all_resets_open_lines_and_lets_new_ones_pass() {
    let proxy = echo().await;
    let mut old = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(say(&mut old, b"hello").await.unwrap(), b"hello");
    assert_eq!(proxy.connections(), 1);
    proxy.cut_all();
    let error = old.read(&mut [0; 1]).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    let mut new = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(say(&mut new, b"again").await.unwrap(), b"again");
}

#[tokio::test]
async fn refuse_new_leaves_open_lines_alone_until_restored() {
    let proxy = echo().await;
    let mut old = TcpStream::connect(proxy.address()).await.unwrap();
    say(&mut old, b"hello").await.unwrap();
    proxy.refuse_new();
    let refused = async {
        let mut stream = TcpStream::connect(proxy.address()).await?;
        say(&mut stream, b"x").await
    };
    assert!(refused.await.is_err());
    assert_eq!(say(&mut old, b"still").await.unwrap(), b"still");
    proxy.restore();
    let mut new = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(say(&mut new, b"again").await.unwrap(), b"again");
}

#[tokio::test]
async fn an_answer_is_cut_after_so_many_bytes() {
    let proxy = echo().await;
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    say(&mut stream, b"before the order").await.unwrap();
    proxy.cut_after(4);
    stream.write_all(b"123456789").await.unwrap();
    let mut answer = Vec::new();
    let mut piece = [0; 16];
    // The reset may overtake bytes that were already sent, but none can come beyond the fourth.
    while let Ok(read @ 1..) = stream.read(&mut piece).await {
        answer.extend_from_slice(&piece[..read]);
    }
    assert!(answer.len() <= 4 && b"1234".starts_with(&answer), "{answer:?}");
    proxy.restore();
    let mut new = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(say(&mut new, b"123456789").await.unwrap(), b"123456789");
}

#[tokio::test]
async fn a_delay_holds_back_what_is_on_the_way() {
    let proxy = echo().await;
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    say(&mut stream, b"hello").await.unwrap();
    // So long that only a proxy that does not delay could answer within the time-out.
    proxy.delay(Duration::from_secs(3_600));
    assert!(tokio::time::timeout(Duration::from_millis(300), say(&mut stream, b"slow")).await.is_err());
    proxy.restore();
    let mut new = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(say(&mut new, b"fast").await.unwrap(), b"fast");
}

#[tokio::test]
async fn without_an_upstream_and_after_its_own_end_there_is_nobody() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = listener.local_addr().unwrap();
    drop(listener);
    let proxy = Proxy::start(upstream).await.unwrap();
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert!(say(&mut stream, b"x").await.is_err());
    let address = proxy.address();
    drop(proxy);
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn in_silence_the_upstream_hears_and_nobody_hears_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::start(listener.local_addr().unwrap()).await.unwrap();
    proxy.silence();
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    client.write_all(b"hello").await.unwrap();
    let (mut upstream, _) = listener.accept().await.unwrap();
    let mut heard = [0; 5];
    upstream.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"hello");
    upstream.write_all(b"world").await.unwrap();
    let mut answer = [0; 5];
    assert!(tokio::time::timeout(Duration::from_millis(100), client.read(&mut answer)).await.is_err(), "the answer came through");
    proxy.restore();
    client.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"world");
}
