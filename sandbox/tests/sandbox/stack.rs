//! Both servers together: what survives a kill, and what a second start in the same folder meets.

use sandbox::servers::TestStack;
use secrecy::ExposeSecret;
use sqlx::Connection;

async fn connect(stack: &TestStack) -> sqlx::PgConnection {
    sqlx::PgConnection::connect(stack.superuser_url().expose_secret()).await.unwrap()
}

#[tokio::test]
async fn both_servers_answer_and_keep_their_data_through_sigkill() {
    let stack = TestStack::start().await.unwrap();
    let mut connection = connect(&stack).await;
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
    let mut connection = connect(&stack).await;
    let kept: i64 =
        sqlx::query_scalar("select count(*) from kept where embedding <-> '[1,2]' = 0").fetch_one(&mut connection).await.unwrap();
    assert_eq!(kept, 1);
}
