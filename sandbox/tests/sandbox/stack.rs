//! Both servers together: what survives a kill, and what a second start in the same folder meets.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use sandbox::servers::{RestateUrls, SandboxError, ServerSettings, Stack, StackOptions, TestStack};
use secrecy::ExposeSecret;
use sqlx::Connection;

async fn connect_to(stack: &Stack) -> sqlx::PgConnection {
    sqlx::PgConnection::connect(stack.superuser_url().expose_secret()).await.unwrap()
}

#[tokio::test]
async fn both_servers_answer_and_keep_their_data_through_sigkill() {
    let stack = TestStack::start().await.unwrap();
    let mut connection = connect_to(&stack).await;
    sqlx::raw_sql("create extension vector; create table kept (embedding vector(2)); insert into kept values ('[1,2]')")
        .execute(&mut connection)
        .await
        .unwrap();

    let (restate_pid, postgres_pid) = (stack.restate().unwrap().pid().unwrap(), stack.postgres().unwrap().pid().unwrap());
    stack.kill9_postgres();
    stack.kill9_restate();
    assert!(sqlx::query("select 1").execute(&mut connection).await.is_err(), "the server is dead");
    assert_eq!((stack.restate().unwrap().pid(), stack.postgres().unwrap().pid()), (None, None));

    stack.restart_postgres().await.unwrap();
    stack.restart_restate().await.unwrap();
    assert_ne!(stack.restate().unwrap().pid().unwrap(), restate_pid);
    assert_ne!(stack.postgres().unwrap().pid().unwrap(), postgres_pid);
    let mut connection = connect_to(&stack).await;
    let kept: i64 =
        sqlx::query_scalar("select count(*) from kept where embedding <-> '[1,2]' = 0").fetch_one(&mut connection).await.unwrap();
    assert_eq!(kept, 1);
}

/// A folder that PostgreSQL's account can enter when the tests run as root.
fn open_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).unwrap();
    folder
}

fn options(folder: &Path) -> StackOptions {
    let servers = ServerSettings { pinned_only: true, ..ServerSettings::default() };
    StackOptions { servers, durable: false, ..StackOptions::new(folder.join(".pressroom")) }
}

fn ports(stack: &Stack) -> [u16; 3] {
    [stack.ingress_url().port().unwrap(), stack.admin_url().port().unwrap(), stack.postgres().unwrap().port()]
}

#[tokio::test]
async fn a_second_start_keeps_addresses_data_and_password() {
    let folder = open_folder();
    let first = Stack::start(&options(folder.path())).await.unwrap();
    let (before, url) = (ports(&first), first.superuser_url().expose_secret().to_owned());
    let pids = [first.restate().unwrap().pid().unwrap(), first.postgres().unwrap().pid().unwrap()];
    first.stop().await;
    for pid in pids {
        let gone = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid.try_into().unwrap()), None);
        assert_eq!(gone, Err(nix::errno::Errno::ESRCH), "stopped means gone");
    }
    let second = Stack::start(&options(folder.path())).await.unwrap();
    assert_eq!(ports(&second), before);
    assert_eq!(second.superuser_url().expose_secret(), url);
    let log = fs::read_to_string(second.folder().join("logs/postgres.log")).unwrap();
    assert!(!log.contains("was not properly shut down"), "the stop was in order:\n{log}");
    second.stop().await;
}

#[tokio::test]
async fn remembered_ports_that_are_taken_are_replaced_and_ports_of_the_settings_are_not() {
    let folder = open_folder();
    let first = Stack::start(&options(folder.path())).await.unwrap();
    let before = ports(&first);
    first.stop().await;
    let _others: Vec<_> = before.iter().map(|port| TcpListener::bind(("127.0.0.1", *port)).unwrap()).collect();

    let mut fixed = options(folder.path());
    fixed.servers.postgres_port = Some(before[2]);
    let error = Stack::start(&fixed).await.unwrap_err();
    assert!(matches!(error, SandboxError::PortTaken { port, .. } if port == before[2]), "{error}");

    let second = Stack::start(&options(folder.path())).await.unwrap();
    assert!(ports(&second).iter().all(|port| !before.contains(port)));
    connect_to(&second).await;
    second.stop().await;
}

#[tokio::test]
async fn a_server_that_somebody_kills_is_started_again() {
    let stack = TestStack::start().await.unwrap();
    let killed = [stack.restate().unwrap().pid().unwrap(), stack.postgres().unwrap().pid().unwrap()];
    for pid in killed {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid.try_into().unwrap()), nix::sys::signal::Signal::SIGKILL).unwrap();
    }
    let back = async {
        let new = |pid: Option<u32>| pid.is_some_and(|pid| !killed.contains(&pid));
        // Patient enough that only a server which never comes back fails.
        for _ in 0..3000 {
            if new(stack.restate().unwrap().pid()) && new(stack.postgres().unwrap().pid()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("a server stayed down");
    };
    tokio::select! {
        error = stack.supervise() => panic!("{error}"),
        () = back => {}
    }
    connect_to(&stack).await;
}

#[tokio::test]
async fn damaged_data_is_an_error_that_quotes_the_log_and_leaves_nothing_running() {
    let folder = open_folder();
    let first = Stack::start(&options(folder.path())).await.unwrap();
    let data = first.postgres().unwrap().data().to_owned();
    first.stop().await;
    fs::write(data.join("global/pg_control"), "damage").unwrap();
    let error = Stack::start(&options(folder.path())).await.unwrap_err().to_string();
    assert!(error.contains("did not start") && error.contains("postgres.log") && error.contains("pg_control"), "{error}");
    assert!(!folder.path().join(".pressroom/run/restate.json").exists(), "restate-server was ended again");
}

#[tokio::test]
async fn running_servers_that_the_settings_name_are_used() {
    let theirs = TestStack::start().await.unwrap();
    let folder = open_folder();
    let mut named = options(folder.path());
    named.servers.database_url = Some(theirs.superuser_url().clone());
    named.servers.restate_urls = Some(RestateUrls { ingress: theirs.ingress_url().clone(), admin: theirs.admin_url().clone() });
    let stack = Stack::start(&named).await.unwrap();
    assert!(stack.restate().is_none() && stack.postgres().is_none());
    assert_eq!(stack.admin_url(), theirs.admin_url());
    stack.stop().await;
    connect_to(&theirs).await;

    theirs.kill9_postgres();
    let error = Stack::start(&named).await.unwrap_err();
    assert!(matches!(error, SandboxError::Unreachable { setting: "servers.database_url", .. }), "{error}");
}

#[tokio::test]
async fn settings_of_a_test_reach_the_server_and_ours_hold_otherwise() {
    let stack = TestStack::start_with_env(&[("RESTATE_NODE_NAME", "of-this-test")]).await.unwrap();
    let log = fs::read_to_string(stack.folder().join("logs/restate.log")).unwrap();
    assert!(log.contains("node_name=\"of-this-test\""), "{log}");
    assert!(log.contains("P3(") && !log.contains("P4("), "four partitions, as restate.toml says:\n{log}");
}

#[tokio::test]
async fn a_folder_that_the_database_cannot_enter_moves_its_data_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let stack = Stack::start(&options(folder.path())).await.unwrap();
    let data = stack.postgres().unwrap().data().to_owned();
    connect_to(&stack).await;
    let inside = data.starts_with(stack.folder());
    let root = nix::unistd::geteuid().is_root();
    assert_eq!(inside, !root, "only as root is another account involved: {}", data.display());
    let note = stack.folder().join("postgres.location");
    assert_eq!(fs::read_to_string(&note).is_ok_and(|text| text.contains(data.to_str().unwrap())), root);
    stack.stop().await;
    if root {
        fs::remove_dir_all(data.parent().unwrap()).unwrap();
    }
}

#[tokio::test]
async fn a_test_stack_leaves_nothing_behind_when_its_test_panics() {
    let (send, receive) = std::sync::mpsc::channel();
    let panicked = tokio::spawn(async move {
        let stack = TestStack::start().await.unwrap();
        let pids = [stack.restate().unwrap().pid().unwrap(), stack.postgres().unwrap().pid().unwrap()];
        send.send((stack.folder().to_owned(), pids)).unwrap();
        panic!("on purpose");
    });
    assert!(panicked.await.unwrap_err().is_panic());
    let (folder, pids) = receive.recv().unwrap();
    assert!(!folder.exists());
    for pid in pids {
        let gone = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid.try_into().unwrap()), None);
        assert_eq!(gone, Err(nix::errno::Errno::ESRCH));
    }
}
